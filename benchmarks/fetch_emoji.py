"""Fetch 3,786 emoji of 64 px, the small colour set to try things on: python benchmarks/fetch_emoji.py [--out data/emoji64]

Google's Noto emoji (Apache-2.0) as the npm package emoji-datasource-google 16.0.0 has them, fetched by `npm pack` from wherever
npm is set up to look (74 MB), or taken from a tarball that one already has: --tarball FILE. --category keeps some of the kinds,
e.g. --category "Smileys & Emotion" "Food & Drink". 1,875 of the 2,261 of People & Body are skin tones of the others.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from seesaw.errors import UserError

PACKAGE = "emoji-datasource-google@16.0.0"
IMAGE = re.compile(r"package/img/google/64/([0-9a-z-]+\.png)")
LARGEST = 1 << 20  # bytes; the largest image has 9,000
BY_HAND = f"give the tarball of {PACKAGE} as --tarball FILE"


def fetch(folder: Path) -> Path:
    """The package's tarball, put into `folder` by npm under the user's own configuration."""
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(f"npm is not installed; install it, or {BY_HAND}")
    command = [npm, "pack", PACKAGE, "--pack-destination", str(folder), "--fetch-retries=1", "--fetch-retry-mintimeout=2000"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    found = sorted(folder.glob("*.tgz"))
    if done.returncode != 0 or not found:
        lines = [line for line in done.stderr.splitlines() if line.startswith(("npm error", "npm ERR!"))]
        raise UserError(f"npm cannot fetch {PACKAGE} ({'; '.join(lines[:2]) or 'it does not say why'}); {BY_HAND}")
    return found[0]


def unpack(tarball: Path, out: Path, categories: list[str] | None = None) -> int:
    """Write the images of `categories` (None: all) into the new folder `out`; returns how many.

    Of the tarball only the content and the last part of each image's name are used, so nothing is written elsewhere. `out`
    appears when it is complete.
    """
    if out.exists():
        raise UserError(f"{out} is already there; remove it, or give another folder as --out DIR")
    out.parent.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-"))
    try:
        count = _write(tarball, scratch, categories)
        (scratch / ".gitignore").write_text("*\n")  # wherever it is put, no image is committed
        scratch.chmod(0o755)
        os.rename(scratch, out)
    except (tarfile.TarError, zlib.error, EOFError, KeyError, ValueError) as error:  # ValueError: emoji.json is no JSON
        raise UserError(f"{tarball} is not the tarball of {PACKAGE} ({error})") from error
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return count


def _write(tarball: Path, folder: Path, categories: list[str] | None) -> int:
    count = 0
    with tarfile.open(tarball, "r:gz") as archive:
        kept = None if categories is None else _images_of(archive, categories)
        for member in archive:
            match = IMAGE.fullmatch(member.name)
            if match is None or not member.isfile() or (kept is not None and match[1] not in kept):
                continue
            if member.size > LARGEST:
                raise tarfile.TarError(f"{member.name} has {member.size} bytes")
            file = archive.extractfile(member)
            assert file is not None
            (folder / match[1]).write_bytes(file.read())
            count += 1
    if count == 0:
        raise tarfile.TarError("it holds no img/google/64/*.png")
    return count


def _images_of(archive: tarfile.TarFile, categories: list[str]) -> set[str]:
    """The names of the images of these categories, skin tones among them. UserError for an unknown category."""
    file = archive.extractfile("package/emoji.json")
    assert file is not None
    entries = json.load(file)
    known = sorted({entry["category"] for entry in entries})
    unknown = [name for name in categories if name not in known]
    if unknown:
        raise UserError(f"--category {unknown[0]!r} is unknown; there are {', '.join(map(repr, known))}")
    chosen = [entry for entry in entries if entry["category"] in categories]
    tones = [tone for entry in chosen for tone in entry.get("skin_variations", {}).values()]
    return {each["image"] for each in (*chosen, *tones)}


def main(arguments: list[str] | None = None) -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--out", type=Path, default=Path("data/emoji64"), metavar="DIR", help="default: data/emoji64")
    options.add_argument("--tarball", type=Path, metavar="FILE", help="take this one instead of asking npm")
    options.add_argument("--category", nargs="+", metavar="NAME", help="only these, as emoji.json names them")
    given = options.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory() as scratch:
            count = unpack(given.tarball or fetch(Path(scratch)), given.out, given.category)
    except (UserError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{count:,} images of 64 px: data=folder data.root={given.out} data.resolution=64 metrics=efflite0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
