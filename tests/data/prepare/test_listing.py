"""What seesaw and other programs put beside a set's images is left out and counted."""

import zipfile
from pathlib import Path

import pytest
from hostile import GOOD

from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.tree import Tree, open_tree
from seesaw.data.prepare.write import Plan, prepare

PNG = GOOD["rgb.png"][0]


def write(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PNG)
    return root


def both(root: Path) -> list[Tree]:
    """The tree of a folder and that of its zip."""
    with zipfile.ZipFile(root.with_suffix(".zip"), "w") as archive:
        for path in sorted(root.rglob("*")):
            archive.write(path, path.relative_to(root))
    return [open_tree(root), open_tree(root.with_suffix(".zip"))]


RUNS = ("runs/a/curves.png", "runs/a/samples/000001.png", "runs/a/config.yaml", "runs/a/status.json")
KINDS = {
    "run folder": RUNS,
    "run folder of an old version": ("x/reals.png", "x/config.yaml", "x/checkpoints/last.ckpt"),
    "cache": ("cache/emoji/1.png", "cache/CACHEDIR.TAG"),
    "cache of an old version": ("cache/emoji/1.png", "cache/reference/a.pt", "cache/prepared/b/index.json"),
    "cache in part": ("p/b/1.png", "p/b/index.json", "p/b/names.json"),
    "thumbnail folder": ("deep/@eaDir/1.png",),
    "thumbnail folder by its name": ("Thumbnails/1.png",),
    "bin folder": ("$RECYCLE.BIN/1.png",),
    "bin folder of a disk station": ("deep/#recycle/1.png",),
    "hidden folder": ("deep/.thumbnails/er/1.png",),
    "program folder": ("venv/pyvenv.cfg", "venv/lib/logo.png"),
    "program folder by its name": ("deep/node_modules/logo.png",),
}


@pytest.mark.parametrize("kind", KINDS)
def test_folders_that_are_not_the_users_are_left_out_and_counted(kind: str, tmp_path: Path) -> None:
    for tree in both(write(tmp_path / "set", "1.png", "deep/2.png", *KINDS[kind])):
        assert tree.names == ["1.png", "deep/2.png"]
        assert tree.left_out == {" ".join(kind.split()[: 1 if kind.startswith("cache") else 2]): 1}


def test_a_folder_that_is_named_is_read_whatever_it_is(tmp_path: Path) -> None:
    root = write(tmp_path / "set", *RUNS, "thumbs/1.png", ".hidden/1.png")
    for name in ("thumbs", ".hidden", "runs/a/samples"):
        assert len(open_tree(root / name).names) == 1


def test_a_run_in_the_folder_of_the_images_leaves_its_own_pictures_out(tmp_path: Path) -> None:
    root = write(
        tmp_path / "set", *(name.removeprefix("runs/a/") for name in RUNS), "compare.html", "compare-2.png", "1.png"
    )
    for tree in both(root):
        assert tree.names == ["1.png"]


def test_a_second_run_reads_what_the_first_one_read(tmp_path: Path) -> None:
    root = write(tmp_path, "1.png", "2.png")
    folders = set()
    for _ in range(2):
        folders.add(prepare(Plan("test", open_tree(root), Decoding(16, 3)), root / "cache"))
        write(root / "cache", "emoji/1.png")
        write(root, *RUNS)
    assert len(folders) == 1
