"""Fonts of free licences for `data=glyphs` on a Debian system, without installing them: python tools/fetch_fonts.py

Downloads Debian's packages with `apt-get download` and copies their fonts to --out (cache/fonts by default); then
`data=glyphs data.root=cache/fonts`. What each machine gets depends on its release of Debian; the set's name holds number and
content hash of the fonts. A package that the release does not have is named and left out.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

PACKAGES = [
    "averia-gwf", "beteckna", "cabin", "cabinsketch", "cantarell", "comfortaa", "courier-prime", "crosextra-caladea",
    "crosextra-carlito", "dejavu-core", "ebgaramond", "firacode", "freefont-ttf", "hack", "inconsolata", "junicode", "jura",
    "lato", "liberation", "linuxlibertine", "lobster", "noto-core", "open-sans", "play", "quicksand", "roboto-unhinted",
    "texgyre", "urw-base35", "vollkorn",
]  # fmt: skip
SUFFIXES = {".ttf", ".otf"}


def fetch(package: str, folder: Path) -> bool:
    """Download a package and unpack it into `folder`; whether that worked."""
    done = subprocess.run(["apt-get", "download", "-q", package], cwd=folder, capture_output=True)
    archives = list(folder.glob(f"{package}_*.deb"))
    if done.returncode or not archives:
        return False
    subprocess.run(["dpkg", "-x", archives[0], folder / "files"], check=True)
    return True


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("cache/fonts"), help="a folder that does not exist yet")
    out: Path = parser.parse_args().out
    if out.exists():
        sys.exit(f"{out} is there already: remove it, or give another folder by --out")
    if not all(map(shutil.which, ("apt-get", "dpkg"))):
        sys.exit("apt-get and dpkg are not here: copy fonts into a folder of your own and give data.root=FOLDER")
    with tempfile.TemporaryDirectory() as scratch:
        missing = [name for name in PACKAGES if not fetch(f"fonts-{name}", Path(scratch))]
        fonts = [path for path in Path(scratch).rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file()]
        if not fonts:
            sys.exit("no font could be downloaded: `apt-get update` may help")
        out.mkdir(parents=True)
        for path in fonts:
            shutil.copy(path, out / path.name)
    if missing:
        print(f"not in this release: {', '.join(missing)}")
    print(f"{out}: {len(fonts)} fonts; data=glyphs data.root={out}")


if __name__ == "__main__":
    main()
