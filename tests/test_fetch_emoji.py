"""The script that fetches the emoji: what it takes from a package, and what it leaves."""

import io
import json
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))
import fetch_emoji

FLAGS, FACES = ["1f1e6.png"], ["1f600.png", "1f44b-1f3fb.png"]


def package(path: Path) -> Path:
    """A small package in the layout of the real one, with entries that lead out of it."""
    table = [
        {"image": FLAGS[0], "category": "Flags"},
        {"image": FACES[0], "category": "Faces", "skin_variations": {"1F3FB": {"image": FACES[1]}}},
    ]
    files = {f"package/img/google/64/{name}": b"png of " + name.encode() for name in FLAGS + FACES}
    files |= {"package/emoji.json": json.dumps(table).encode(), "package/img/google/sheets/64.png": b"sheet"}
    files |= {"package/img/google/64/../../../../evil.png": b"evil", "/tmp/evil-emoji.png": b"evil"}
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        link = tarfile.TarInfo("package/img/google/64/abc.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
    return path


@pytest.mark.parametrize(("categories", "expected"), [([], FLAGS + FACES), (["Faces"], FACES), (["Flags"], FLAGS)])
def test_only_the_pictures_of_64_px_are_written(categories: list[str], expected: list[str], tmp_path: Path) -> None:
    archive = package(tmp_path / "package.tgz")
    arguments = ["--tarball", str(archive), "--out", str(tmp_path / "out")]
    assert fetch_emoji.main([*arguments, *(["--category", *categories] if categories else [])]) == 0
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == sorted(expected)
    assert (tmp_path / "out" / expected[0]).read_bytes() == b"png of " + expected[0].encode()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "package.tgz"]


def test_mistakes_are_sentences(tmp_path: Path) -> None:
    archive = package(tmp_path / "package.tgz")
    with pytest.raises(SystemExit, match="--category Flag: there is no such category; there are Faces, Flags"):
        fetch_emoji.main(["--tarball", str(archive), "--out", str(tmp_path / "out"), "--category", "Flag"])
    (tmp_path / "torn.tgz").write_bytes(archive.read_bytes()[:200])
    with pytest.raises(SystemExit, match=r"torn.tgz cannot be read"):
        fetch_emoji.main(["--tarball", str(tmp_path / "torn.tgz"), "--out", str(tmp_path / "out")])


def test_without_npm_the_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"npm is not installed.*--tarball FILE"):
        fetch_emoji.main(["--out", str(tmp_path / "out")])
