"""The script that fetches the emoji: what it takes from a package, and what it leaves."""

import io
import json
import tarfile
from pathlib import Path

import fetch_emoji
import pytest

FLAGS, FACES = ["1f1e6.png"], ["1f600.png", "1f44b-1f3fb.png"]


def package(path: Path) -> Path:
    """A small package in the layout of the real one, with entries that lead out of it."""
    table = [
        {"image": FLAGS[0], "category": "Flags"},
        {"image": "evil.png", "category": "Flags"},
        {"image": "abc.png", "category": "Flags"},
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
    out = ["--out", str(tmp_path / "out")]
    with pytest.raises(SystemExit, match="--category Flag: there is no such category; there are Faces, Flags"):
        fetch_emoji.main(["--tarball", str(archive), *out, "--category", "Flag"])
    (tmp_path / "torn.tgz").write_bytes(archive.read_bytes()[:200])
    with pytest.raises(SystemExit, match=r"torn.tgz cannot be read"):
        fetch_emoji.main(["--tarball", str(tmp_path / "torn.tgz"), *out])
    with pytest.raises(SystemExit, match=r"nowhere.tgz cannot be read"):
        fetch_emoji.main(["--tarball", str(tmp_path / "nowhere.tgz"), *out])
    with tarfile.open(tmp_path / "other.tgz", "w:gz") as tar:
        tar.add(archive, "package/other.bin")
    with pytest.raises(SystemExit, match=r"other.tgz cannot be read as the package emoji-datasource-google@16.0.0"):
        fetch_emoji.main(["--tarball", str(tmp_path / "other.tgz"), *out])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["other.tgz", "package.tgz", "torn.tgz"]  # nothing half done


def test_a_huge_entry_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch_emoji, "LARGEST", 5)
    with pytest.raises(SystemExit, match=r"1f1e6.png has 16 bytes"):
        fetch_emoji.main(["--tarball", str(package(tmp_path / "package.tgz")), "--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_what_is_there_stays(tmp_path: Path) -> None:
    """Two categories fetched one after the other would otherwise be mixed without a word."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.png").write_bytes(b"mine")
    with pytest.raises(SystemExit, match=r"out is already there; remove it, or give another folder by --out DIR"):
        fetch_emoji.main(["--tarball", str(package(tmp_path / "package.tgz")), "--out", str(out)])
    assert [p.name for p in out.iterdir()] == ["mine.png"]


def fake_npm(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    npm = folder / "npm"
    npm.write_text(f"#!/bin/sh\n{script}\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder), prepend=":")


def test_npm_fetches_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = package(tmp_path / "package.tgz")
    fake_npm(tmp_path, f'[ "$2" = emoji-datasource-google@16.0.0 ] && cp {archive} e.tgz && echo e.tgz', monkeypatch)
    assert fetch_emoji.main(["--out", str(tmp_path / "out")]) == 0
    assert len(list((tmp_path / "out").iterdir())) == 3


def test_npm_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_npm(tmp_path, "echo npm error code ENOTFOUND >&2; exit 1", monkeypatch)
    with pytest.raises(SystemExit, match=r"npm pack .* failed \(npm error code ENOTFOUND\); .* --tarball FILE"):
        fetch_emoji.main(["--out", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()


def test_a_missing_npm_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SystemExit, match=r"npm is not installed.*--tarball FILE"):
        fetch_emoji.main(["--out", str(tmp_path / "out")])
