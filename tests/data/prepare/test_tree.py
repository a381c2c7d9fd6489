"""Folders and zips of images: what is listed, what is refused and why, and that nothing is written and nothing hangs."""

import os
import pickle
import re
import struct
import time
import tracemalloc
import zipfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hostile import BAD, GOOD, make_folder, make_zip

from seesaw.data.prepare.decode import BadImage, Decoding, decode
from seesaw.data.prepare.tree import FolderTree, Subset, ZipTree, labels, open_tree
from seesaw.errors import UserError

PNG = GOOD["rgb.png"][0]


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)
    return root


def pack(path: Path, *names: str, content: bytes = PNG, method: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name in names:
            archive.writestr(name, content)
    return path


def everything(below: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.lstat().st_size) for path in below.rglob("*"))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("make", [make_folder, make_zip])
def test_a_hostile_tree_gives_its_good_images_and_a_reason_for_each_bad_one(
    make: Callable[[Path], dict[str, str]], tmp_path: Path
) -> None:
    place = tmp_path / ("tree" if make is make_folder else "tree.zip")
    refused = make(place)
    before, begin = everything(tmp_path), time.perf_counter()
    tree = open_tree(place)
    assert tree.place == str(place)
    good, bad = {f"deep/{name}" for name in GOOD}, {f"deep/er/{name}" for name in BAD}
    assert tree.names == sorted(good | bad)
    assert sorted(tree.refused) == sorted(refused)
    for name, reason in refused.items():
        assert reason in tree.refused[name], (name, tree.refused[name])
        with pytest.raises(BadImage):
            tree.read(name)
    assert dict(tree.others) == {".txt": 1}
    reasons = {}
    for name in tree.names:
        try:
            decode(tree.read(name), name, Decoding(16, 3))
        except Exception as error:
            reasons[name] = str(error) or type(error).__name__
    assert set(reasons) == bad
    assert all(reasons.values())
    assert time.perf_counter() - begin < 20
    assert everything(tmp_path) == before, "nothing was written"
    assert not Path("/tmp/seesaw-evil.png").exists()


def test_a_folder_and_its_zip_hold_the_same(tmp_path: Path) -> None:
    make_folder(tmp_path / "tree")
    make_zip(tmp_path / "tree.zip")
    folder, archive = FolderTree(tmp_path / "tree"), ZipTree(tmp_path / "tree.zip")
    assert folder.names == archive.names
    assert all(folder.read(name) == archive.read(name) for name in folder.names)


def test_a_zip_with_backslashes_holds_what_its_folder_holds(tmp_path: Path) -> None:
    names = ("cats/1.png", "cats/x/2.png", "dogs/1.png")
    folder = FolderTree(write(tmp_path / "set", *names))
    archive = open_tree(
        pack(tmp_path / "a.zip", *(f"set\\{name}".replace("/", "\\") for name in names), "set\\empty\\")
    )
    archive = pickle.loads(pickle.dumps(archive))  # as the workers get it
    assert archive.names == [f"set/{name}" for name in folder.names]
    assert [archive.read(f"set/{name}") for name in folder.names] == [folder.read(name) for name in folder.names]
    assert labels(archive.names) == ([0, 0, 1], ["cats", "dogs"])
    assert (dict(archive.others), archive.refused) == ({}, {})


def test_each_folder_is_entered_once_by_the_first_of_its_names(tmp_path: Path) -> None:
    write(tmp_path, "b/1.png", "c/2.png")
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "c" / "up").symlink_to("..")
    (tmp_path / "d.png").symlink_to("b/1.png")
    assert FolderTree(tmp_path).names == ["a/1.png", "c/2.png", "d.png"]


def test_a_folder_that_cannot_be_entered_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "a/1.png", "locked/2.png")
    scandir = os.scandir

    def locked(path: str) -> object:
        if "locked" in path:
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", locked)
    tree = open_tree(tmp_path)
    assert tree.names == ["a/1.png"]
    assert tree.refused == {"locked/": "Permission denied"}
    with pytest.raises(UserError, match=r"data.root='.*locked' cannot be read: Permission denied"):
        open_tree(tmp_path / "locked")


@pytest.mark.parametrize("turn", ["pipe", "gone", "folder"])
def test_a_file_that_changed_since_it_was_listed_is_bad(turn: str, tmp_path: Path) -> None:
    tree = open_tree(write(tmp_path, "1.png"))
    (tmp_path / "1.png").unlink()
    if turn == "pipe":
        os.mkfifo(tmp_path / "1.png")
    if turn == "folder":
        (tmp_path / "1.png").mkdir()
    with pytest.raises(BadImage, match=r"regular|No such file|directory"):
        tree.read("1.png")


def test_the_fingerprint_changes_with_the_images(tmp_path: Path) -> None:
    write(tmp_path / "tree", "a/1.png", "a/2.png")
    seen = [FolderTree(tmp_path / "tree").fingerprint]
    assert re.fullmatch("[0-9a-f]{16}", seen[0])
    assert FolderTree(tmp_path / "tree").fingerprint == seen[0]
    (tmp_path / "tree" / "notes.txt").write_text("no image")
    assert FolderTree(tmp_path / "tree").fingerprint == seen[0]
    os.utime(tmp_path / "tree/a/1.png", ns=(0, 1))
    seen.append(FolderTree(tmp_path / "tree").fingerprint)
    (tmp_path / "tree/a/2.png").rename(tmp_path / "tree/a/3.png")
    seen.append(FolderTree(tmp_path / "tree").fingerprint)
    os.truncate(tmp_path / "tree/a/1.png", 5)
    os.utime(tmp_path / "tree/a/1.png", ns=(0, 1))
    seen.append(FolderTree(tmp_path / "tree").fingerprint)
    (tmp_path / "tree/a/4.png").symlink_to("nowhere")
    seen.append(FolderTree(tmp_path / "tree").fingerprint)
    assert len(set(seen)) == len(seen)
    first = ZipTree(pack(tmp_path / "a.zip", "1.png")).fingerprint
    assert first == ZipTree(pack(tmp_path / "b.zip", "1.png", method=zipfile.ZIP_DEFLATED)).fingerprint
    assert first != ZipTree(pack(tmp_path / "c.zip", "1.png", content=PNG[:-1] + b"x")).fingerprint
    assert first != ZipTree(pack(tmp_path / "d.zip", "1.png", "../2.png")).fingerprint


def test_place_and_fingerprint_of_a_subset_depend_on_its_own_files(tmp_path: Path) -> None:
    tree = open_tree(pack(tmp_path / "a.zip", "x/1.png", "x/2.png", "y/1.png", "x/../3.png", "y/../3.png"))
    part = Subset(tree, "x/", lambda name: name != "2.png")
    assert (part.names, list(part.refused)) == (["1.png"], ["../3.png"])
    assert part.read("1.png") == PNG
    assert part.place == str(tmp_path / "a.zip" / "x")
    other = Subset(open_tree(pack(tmp_path / "b.zip", "x/1.png", "z/1.png", "x/../3.png")), "x/")
    assert part.fingerprint == other.fingerprint, "what lies outside makes no difference"
    assert part.fingerprint != Subset(tree, "x/").fingerprint


def test_trees_can_be_pickled_and_read_by_threads_and_forks(tmp_path: Path) -> None:
    names = [f"{k}.png" for k in range(50)]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for k, name in enumerate(names):
            archive.writestr(name, bytes([k]) * 10_000)
    tree = open_tree(tmp_path / "a.zip")
    tree.read("1.png")
    copy = pickle.loads(pickle.dumps(Subset(tree)))
    assert copy.names == sorted(names)
    assert copy.fingerprint == Subset(tree).fingerprint

    def right(k: int) -> bool:
        return copy.read(f"{k}.png") == bytes([k]) * 10_000

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(right, list(range(50)) * 10))
    children = []
    for _ in range(4):
        child = os.fork()
        if child == 0:
            os._exit(0 if all(right(k) for _ in range(20) for k in range(50)) else 1)
        children.append(child)
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * 4


def patched(path: Path, signature: bytes, offset: int, value: bytes) -> None:
    """Overwrite a field of the zip's first header of a kind."""
    content = bytearray(path.read_bytes())
    start = content.index(signature) + offset
    content[start : start + len(value)] = value
    path.write_bytes(content)


LOCAL, CENTRAL = b"PK\3\4", b"PK\1\2"


def test_a_damaged_entry_is_bad(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", "1.png")
    content = path.read_bytes()
    path.write_bytes(content.replace(PNG, PNG[:-9] + b"?" + PNG[-8:]))
    with pytest.raises(BadImage, match="in the zip: Bad CRC-32"):
        open_tree(path).read("1.png")
    path.write_bytes(content)
    patched(path, LOCAL, 0, b"XXXX")
    with pytest.raises(BadImage, match="in the zip: Bad magic"):
        open_tree(path).read("1.png")
    with pytest.raises(BadImage, match=r"in the zip: .*no item named"):
        open_tree(path).read("2.png")


def test_an_entry_gives_no_more_than_it_declares(tmp_path: Path) -> None:
    """64 MiB of zeros that call themselves 1000 bytes, and the other way round."""
    path = pack(tmp_path / "a.zip", "1.png", content=bytes(64 << 20), method=zipfile.ZIP_DEFLATED)
    patched(path, CENTRAL, 24, struct.pack("<I", 1000))
    tree = open_tree(path)
    assert tree.names == ["1.png"]
    tracemalloc.start()
    with pytest.raises(BadImage, match="Bad CRC-32"):
        tree.read("1.png")
    assert tracemalloc.get_traced_memory()[1] < 2 << 20
    tracemalloc.stop()
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        path = pack(tmp_path / "b.zip", "1.png", method=method)
        patched(path, CENTRAL, 24, struct.pack("<I", len(PNG) + 500))
        with pytest.raises(BadImage, match="in the zip"):
            open_tree(path).read("1.png")


def test_encrypted_and_huge_entries_are_refused(tmp_path: Path) -> None:
    path = pack(tmp_path / "a.zip", "1.png", "2.png")
    patched(path, CENTRAL, 8, struct.pack("<H", 1))
    assert open_tree(path).refused == {"1.png": "encrypted"}
    path = pack(tmp_path / "b.zip", "1.png", "2.png")
    patched(path, CENTRAL, 20, struct.pack("<II", 200 << 20, 257 << 20))
    assert open_tree(path).refused == {"1.png": "257 MiB, 256 are read at most"}


def test_sizes_below_the_bombs_are_read(tmp_path: Path) -> None:
    """A ratio of 1000 to 15 MiB is a flat picture stored without compression of its own."""
    content = bytes(15 << 20)
    path = pack(tmp_path / "a.zip", "1.bmp", content=content, method=zipfile.ZIP_DEFLATED)
    assert open_tree(path).read("1.bmp") == content


@pytest.mark.parametrize(("names", "expected"), [
    (["cats/1.png", "cats/x/2.png", "dogs/1.png"], ([0, 0, 1], ["cats", "dogs"])),
    (["top/cats/1.png", "top/dogs/1.png"], ([0, 1], ["cats", "dogs"])),
    (["top/top/cats/1.png", "top/top/dogs/1.png"], ([0, 1], ["cats", "dogs"])),
    (["1.png", "cats/1.png", "dogs/1.png"], None),
    (["top/1.png", "top/cats/1.png", "top/dogs/1.png"], None),
    (["cats/1.png", "cats/2.png"], None),
    (["1.png"], None),
    ([], None),
])  # fmt: skip
def test_first_level_folders_are_classes(names: list[str], expected: object) -> None:
    assert labels(names) == expected


def test_places_without_images_are_explained(tmp_path: Path) -> None:
    def message_of(name: str) -> str:
        with pytest.raises(UserError) as caught:
            open_tree(tmp_path / name)
        text = str(caught.value)
        assert text.startswith(f"data.root={str(tmp_path / name)!r} ")
        assert "\n" not in text
        return text

    assert "does not exist (looked for" in message_of("absent")
    assert "cannot be read: File name too long" in message_of("a" * 300)
    (tmp_path / "empty").mkdir()
    assert "holds no images, but nothing at all: .jpg, .jpeg, .png" in message_of("empty")
    (tmp_path / "empty" / "faces.zip").write_bytes(b"")
    (tmp_path / "empty" / "read me").write_bytes(b"")
    text = message_of("empty")
    assert "1 of .zip, 1 of no suffix" in text
    assert "give the zip itself" in text
    (tmp_path / "file.png").write_bytes(PNG)
    assert "is a file, but no zip: give the folder or the zip" in message_of("file.png")
    os.mkfifo(tmp_path / "pipe.zip")
    assert "is neither a folder nor a file" in message_of("pipe.zip")
    (tmp_path / "page.zip").write_bytes(b"\n<!DOCTYPE html><html>Quota exceeded</html>")
    assert "is a web page" in message_of("page.zip")
    content = pack(tmp_path / "cut.zip", "1.png", "2.png").read_bytes()
    (tmp_path / "cut.zip").write_bytes(content[:-30])
    assert "is a damaged zip (File is not a zip file): fetch it again" in message_of("cut.zip")
    pack(tmp_path / "evil.zip", "../1.png", "notes.txt")
    assert "but 1 of .txt, 1 that are refused, such as '../1.png' (its name leads out of the zip)" in message_of(
        "evil.zip"
    )
    pack(tmp_path / "broken.zip", "1.png")
    patched(tmp_path / "broken.zip", CENTRAL, 0, b"XXXX")
    assert "is a damaged zip (Bad magic number for central directory)" in message_of("broken.zip")
    with pytest.raises(UserError, match=r"^style="):
        open_tree(tmp_path / "absent", "style")


def test_a_zip_needs_no_suffix(tmp_path: Path) -> None:
    assert open_tree(pack(tmp_path / "archive", "./1.png", ".hidden/2.png", "a/.3.png")).names == ["./1.png"]
