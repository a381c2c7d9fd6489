"""Prepared sets: the pixels, the counting of bad images, atomicity, several processes, levels, and memory."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import trees
from PIL import Image

from seesaw.data.classes import class_names
from seesaw.data.images import ImageSet
from seesaw.data.prepare import write as module
from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.prepared import PreparedSet, open_prepared
from seesaw.data.prepare.tree import open_tree
from seesaw.data.prepare.write import Plan, content_hash, prepare, whole
from seesaw.data.sources.folder import Folder
from seesaw.errors import UserError


def write_images(root: Path, n: int, size: int = 16) -> np.ndarray:
    """n png files of noise; their pixels (n, size, size, 3)."""
    root.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)
    for k, image in enumerate(pixels):
        Image.fromarray(image).save(root / f"{k:04d}.png")
    return pixels


def plan_of(root: Path, resolution: int = 16, **options: object) -> Plan:
    return Plan("test", open_tree(root), Decoding(resolution, 3), **options)  # type: ignore[arg-type]


def prepared(plan: Plan, cache_dir: Path) -> PreparedSet:
    return open_prepared(prepare(plan, cache_dir))


def test_the_map_holds_the_pixels_in_the_order_of_the_names(tmp_path: Path) -> None:
    pixels = write_images(tmp_path / "set", 10)
    reals = prepared(
        plan_of(tmp_path / "set", y=[k % 2 for k in range(10)], class_names=["even", "odd"]), tmp_path / "cache"
    )
    assert torch.equal(reals.images, torch.from_numpy(pixels.transpose(0, 3, 1, 2)))
    assert reals.y is not None
    assert reals.y.tolist() == [k % 2 for k in range(10)]
    assert reals.identity == ImageSet(reals.images.clone(), "in memory").identity
    picked = torch.tensor([7, 0, 7])
    assert torch.equal(reals.gather(picked), reals.images[[7, 0, 7]])


def test_workers_write_what_one_process_writes(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 150)
    (tmp_path / "set" / "0070.png").write_bytes(b"no image")
    (tmp_path / "set" / "0149.png").write_bytes(b"")
    plan = plan_of(tmp_path / "set")
    folders = []
    for jobs in (1, 2):
        with pytest.warns(UserWarning, match="2 of 150 images"):
            folders.append(prepare(plan, tmp_path / f"cache{jobs}", jobs))
    one, two = (json.loads((folder / "index.json").read_text()) for folder in folders)
    assert one["sha256"] == two["sha256"] == content_hash(folders[0], 16)
    assert set(one["bad"]) == {"0070.png", "0149.png"}
    names = json.loads((folders[0] / "names.json").read_text())
    assert names == sorted(f"{k:04d}.png" for k in range(150) if k not in (70, 149))
    reals = open_prepared(folders[1])
    kept = np.asarray(Image.open(tmp_path / "set" / "0148.png"))  # the last row, after both gaps were closed
    assert torch.equal(reals.images[-1], torch.from_numpy(kept.transpose(2, 0, 1).copy()))


def test_labels_follow_the_images_that_were_kept(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 6)
    (tmp_path / "set" / "0002.png").write_bytes(b"no image")
    with pytest.warns(UserWarning, match="1 of 6"):
        reals = prepared(
            plan_of(tmp_path / "set", y=[0, 1, 2, 3, 4, 5], class_names=list("abcdef"), max_bad=0.5), tmp_path
        )
    assert reals.y is not None
    assert reals.y.tolist() == [0, 1, 3, 4, 5]


def test_too_many_bad_images_are_an_error_and_leave_nothing(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 4)
    (tmp_path / "set" / "0002.png").write_bytes(b"no image")
    with pytest.raises(
        UserError, match=r"1 of 4 images .*'0002.png'.*data.max_bad=0.05 allows 0; the whole list is in"
    ):
        prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    assert not list((tmp_path / "cache" / "prepared").glob("*test*/")), "a half-made set was left"
    (listed,) = (tmp_path / "cache").glob("bad_images-*.txt")
    assert "\n'0002.png': not an image (JPEG, PNG, WEBP, BMP, GIF are read)\n" in listed.read_text()


def test_the_same_bad_images_are_listed_in_the_same_file(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 4)
    plan = plan_of(tmp_path / "set", max_bad=0.0)
    for bad in ({"0002.png": "one reason"}, {"0002.png": "another"}, {"0002.png": "", "0003.png": ""}):
        with pytest.raises(UserError):
            module.report_bad(bad, 4, plan, tmp_path)
    assert sorted(p.read_text().count("\n") for p in tmp_path.glob("bad_images-*.txt")) == [2, 3]


def test_a_prepared_set_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_images(tmp_path / "set", 4)
    folder = prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    monkeypatch.setattr(module, "_make", lambda *_: pytest.fail("made again"))
    assert prepare(plan_of(tmp_path / "set"), tmp_path / "cache") == folder


@pytest.mark.parametrize(
    "change", [{"version": 3}, {"class_names": [1, 2]}, {"class_names": ["a"]}, {"decoding": None}]
)
def test_an_index_that_does_not_fit_its_files_is_no_prepared_set(change: dict[str, object], tmp_path: Path) -> None:
    write_images(tmp_path / "set", 2)
    folder = prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    index = whole(folder)
    assert index is not None
    if change == {"class_names": [1, 2]}:
        np.save(folder / "labels.npy", np.arange(2))
    (folder / "index.json").write_text(json.dumps(index | change))
    assert whole(folder) is None


def older_format(folder: Path) -> None:
    """Turn a prepared set into what versions up to format 1 wrote: raw files, their shape in the index."""
    images, index = np.load(folder / "images-16.npy"), json.loads((folder / "index.json").read_text())
    (folder / "images-16.u8").write_bytes(images.tobytes())
    (folder / "images-16.npy").unlink()
    index = index | {"version": 1, "shape": images.shape, "classes": None}
    (folder / "index.json").write_text(json.dumps(index))


def test_a_set_of_the_older_format_is_made_anew_in_its_place(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 4)
    plan = plan_of(tmp_path / "set")
    folder = prepare(plan, tmp_path / "cache")
    index = whole(folder)
    older_format(folder)
    assert whole(folder) is None
    assert prepare(plan, tmp_path / "cache") == folder
    again = whole(folder)
    assert index is not None
    assert again is not None
    assert again["sha256"] == index["sha256"], "distances of older runs still compare"
    assert sorted(path.name for path in folder.iterdir()) == ["images-16.npy", "index.json", "names.json"]


def test_a_set_of_the_older_format_as_root_is_one_sentence(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 4)
    folder = prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    older_format(folder)
    message = (
        rf"^data.root='{folder}' was prepared by an earlier version of seesaw: give the folder or zip of the images"
    )
    with pytest.raises(UserError, match=message):
        Folder(str(folder), resolution=16, channels=3, batch_size=4).prepare()
    with pytest.raises(UserError, match=message):
        class_names("seesaw.data.sources.folder.Folder", {"root": str(folder)})


@pytest.mark.parametrize("change", ["pixels", "option", "file more", "cut file"])
def test_another_source_or_option_makes_another_set(change: str, tmp_path: Path) -> None:
    pixels = write_images(tmp_path / "set", 4)
    before = prepare(plan_of(tmp_path / "set"), tmp_path / "cache")
    if change == "pixels":
        Image.fromarray(255 - pixels[0]).save(tmp_path / "set" / "0000.png")
    if change == "file more":
        Image.fromarray(pixels[0]).save(tmp_path / "set" / "9.png")
    if change == "cut file":
        os.truncate(before / "images-16.npy", 100)
    resolution = 8 if change == "option" else 16
    after = prepare(plan_of(tmp_path / "set", resolution), tmp_path / "cache")
    assert len(open_prepared(after)) == (5 if change == "file more" else 4)
    assert (after == before) == (change == "cut file")


def test_levels_are_the_averages_over_squares(tmp_path: Path) -> None:
    pixels = write_images(tmp_path / "set", 5)
    reals = prepared(plan_of(tmp_path / "set"), tmp_path / "cache")
    small = reals.level(4)
    expected = pixels.reshape(5, 4, 4, 4, 4, 3).astype(np.float64).mean(axis=(2, 4)).transpose(0, 3, 1, 2)
    assert small.shape == (5, 3, 4, 4)
    assert np.abs(small.images.numpy() - expected).max() <= 0.5 + 1e-6
    assert torch.equal(small.images, ImageSet(reals.images.clone(), "in memory").level(4).images)
    assert reals.folder is not None
    assert np.array_equal(np.load(reals.folder / "images-4.npy"), small.images.numpy())


def test_a_dead_worker_is_one_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 130)
    plan = Plan("test", trees.DeadlyTree(tmp_path / "set"), Decoding(16, 3))
    with pytest.raises(
        UserError, match=r"^a process that decodes images ended, perhaps .* \(seesaw prepare --jobs 1 …\)$"
    ):
        prepare(plan, tmp_path / "cache", 2)
    assert not [path for path in (tmp_path / "cache" / "prepared").iterdir() if path.is_dir()]


def wait_until(done: Callable[[], bool], seconds: float = 20) -> None:
    begin = time.perf_counter()
    while not done():
        assert time.perf_counter() - begin < seconds
        time.sleep(0.01)


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.fixture(scope="module")
def large_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As many images as two processes read in about a second."""
    root = tmp_path_factory.mktemp("large") / "set"
    write_images(root, 1, 32)
    for k in range(1, 3000):
        os.link(root / "0000.png", root / f"{k:04d}.png")
    return root


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_killed_preparation_leaves_nothing_half_made(how: signal.Signals, large_set: Path, tmp_path: Path) -> None:
    program = (  # no `if __name__ == "__main__"`: the workers do not import it
        "from pathlib import Path; from seesaw.data.prepare.write import *; from seesaw.data.prepare.tree import open_tree\n"
        f"prepare(Plan('test', open_tree(Path({str(large_set)!r})), Decoding(32, 3)), {str(tmp_path / 'cache')!r}, 2)\n"
    )
    (tmp_path / "program.py").write_text(program)
    process = subprocess.Popen([sys.executable, tmp_path / "program.py"], stderr=subprocess.PIPE)
    prepared_sets = tmp_path / "cache" / "prepared"
    try:
        wait_until(lambda: bool(list(prepared_sets.glob(".test*/images-32.npy"))))
        wait_until(lambda: len(children(process.pid)) == 3)  # two, and Python's own tracker of semaphores
        workers = children(process.pid)
        assert process.poll() is None
        process.send_signal(how)
        process.wait(timeout=30)
    finally:
        process.kill()
    assert process.returncode != 0
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))  # none outlives its parent
    assert not [p for p in prepared_sets.glob("test*") if p.is_dir()]
    reals = prepared(plan_of(large_set, 32), tmp_path / "cache")  # and the next one goes through, and cleans up
    assert len(reals) == 3000
    assert not list(prepared_sets.glob(".test*"))


@pytest.mark.slow
def test_two_processes_that_want_one_set_make_it_once(tmp_path: Path) -> None:
    write_images(tmp_path / "set", 400, 32)
    program = (
        "from pathlib import Path; from seesaw.data.prepare import write as m; from seesaw.data.prepare.tree import open_tree\n"
        "make = m._make\n"
        "def announced(*a): print('made', flush=True); make(*a)\n"
        "m._make = announced\n"
        f"plan = m.Plan('test', open_tree(Path({str(tmp_path / 'set')!r})), m.Decoding(32, 3))\n"
        f"m.prepare(plan, {str(tmp_path / 'cache')!r}, 1)\n"
    )
    started = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    printed = [process.communicate(timeout=60)[0] for process in started]
    assert [process.returncode for process in started] == [0, 0]
    assert sorted(printed) == ["", "made\n"]


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_reading_a_map_takes_no_anonymous_memory(tmp_path: Path) -> None:
    """RssAnon: pages of this process that no file backs. 400 MB of holes in a file that takes no disk."""
    n = 400_000_000 // (3 * 64 * 64)
    folder = tmp_path / "sparse"
    folder.mkdir()
    np.lib.format.open_memmap(folder / "images-64.npy", "w+", np.uint8, (n, 3, 64, 64))
    index = {
        "version": 2,
        "name": "sparse",
        "decoding": {"resolution": 64},
        "class_names": None,
        "sha256": "0" * 64,
    }
    (folder / "index.json").write_text(json.dumps(index))
    reals = open_prepared(folder)
    before = anonymous()
    for start in range(0, n, 64):
        reals.gather(torch.arange(start, min(start + 64, n)))
    assert anonymous() - before < 30e6


def anonymous() -> int:
    rows = dict(line.split(":") for line in Path("/proc/self/status").read_text().splitlines())
    return int(rows["RssAnon"].split()[0]) * 1024
