"""3,786 emoji of 64 px, the small colour set to try things on: python tools/fetch_emoji.py [--out cache/emoji64]

Google's Noto emoji (Apache-2.0) as the npm package emoji-datasource-google has them: `npm pack` fetches its 74 MB from where
npm is set up to look, or --tarball FILE names a package that one has. --category keeps some kinds, for instance --category
"Smileys & Emotion" "Food & Drink"; 1,875 of the 2,261 images of People & Body are skin tones of others.
"""

import argparse
import json
import re
import sys
import tarfile
import tempfile
import zlib
from pathlib import Path

from npm import fetch

PACKAGE = "emoji-datasource-google@16.0.0"
IMAGE = re.compile(r"package/img/google/64/([0-9a-z-]+\.png)")
LARGEST = 1 << 20
"""Bytes of one image; the largest real one has 9,000."""


def unpack(archive: Path, out: Path, categories: list[str]) -> int:
    """Write the images of `categories` (none: of all) into the new folder `out`; returns how many.

    Of each entry only the content and the last part of its name are used, so nothing is written elsewhere. `out` appears when
    it is complete. SystemExit with a sentence when it is there already or the archive cannot be read.
    """
    if out.exists():
        raise SystemExit(f"{out} is already there; remove it, or give another folder by --out DIR")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}-") as scratch:
        images = Path(scratch) / "images"
        images.mkdir()
        try:
            with tarfile.open(archive, "r:gz") as tar:
                count = write(tar, images, images_of(tar, categories))
        # ValueError: emoji.json is no JSON; KeyError: it is not there, or is another table
        except (OSError, tarfile.TarError, zlib.error, EOFError, KeyError, ValueError) as error:
            raise SystemExit(f"{archive} cannot be read as the package {PACKAGE} ({error})") from error
        images.rename(out)
    return count


def images_of(tar: tarfile.TarFile, categories: list[str]) -> set[str]:
    """The names of the images of these categories, skin tones among them. SystemExit when one is unknown."""
    file = tar.extractfile("package/emoji.json")
    assert file is not None
    entries = json.load(file)
    known = sorted({entry["category"] for entry in entries})
    for name in categories:
        if name not in known:
            raise SystemExit(f"--category {name}: there is no such category; there are {', '.join(known)}")
    chosen = [entry for entry in entries if not categories or entry["category"] in categories]
    tones = [tone for entry in chosen for tone in entry.get("skin_variations", {}).values()]
    return {each["image"] for each in (*chosen, *tones)}


def write(tar: tarfile.TarFile, folder: Path, names: set[str]) -> int:
    """Write the plain files of 64 px among `names`; returns how many. ValueError when there is none, or one is huge."""
    count = 0
    for member in tar:
        match = IMAGE.fullmatch(member.name)
        if match is None or match[1] not in names or not member.isfile():
            continue
        if member.size > LARGEST:
            raise ValueError(f"{member.name} has {member.size:,} bytes")
        file = tar.extractfile(member)
        assert file is not None
        (folder / match[1]).write_bytes(file.read())
        count += 1
    if count == 0:
        raise ValueError("it holds no img/google/64/*.png")
    return count


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("cache/emoji64"), help="a new folder; default: cache/emoji64")
    parser.add_argument("--tarball", type=Path, help="the package, fetched already")
    parser.add_argument(
        "--category", nargs="+", default=[], metavar="NAME", help="only these, as emoji.json names them"
    )
    args = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as scratch:
        count = unpack(args.tarball or fetch(PACKAGE, Path(scratch)), args.out, args.category)
    print(f"{args.out}: {count:,} images; data=folder data.root={args.out} data.resolution=64 metrics=efflite0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
