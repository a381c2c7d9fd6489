"""Labels: the names of classes before anything is read, and the labels of sets that lie in class folders."""

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import torchvision
import trees
from hostile import make_folder, make_zip
from omegaconf import OmegaConf
from PIL import Image
from test_data_module import Watcher, fit

from seesaw.data.classes import MOST_CLASSES, class_names
from seesaw.data.module import ImageData
from seesaw.data.prepare import write as preparing
from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.prepared import PreparedSet
from seesaw.data.prepare.write import Plan
from seesaw.data.sources.celeba import CelebA
from seesaw.data.sources.celeba_hq import CelebAHQ
from seesaw.data.sources.digits import Digits
from seesaw.data.sources.ffhq import FFHQ
from seesaw.data.sources.folder import Folder
from seesaw.data.sources.gaussians import GaussiansRing
from seesaw.data.sources.stacked import StackedDigits
from seesaw.errors import UserError

SOURCES = "seesaw.data.sources"

FOLDER, FACES, FFHQ_FACES = (f"{SOURCES}.{name}" for name in ("folder.Folder", "celeba_hq.CelebAHQ", "ffhq.FFHQ"))
NAMES = ("cats/x/1.png", "cats/2.png", "dogs/1.png", "newts/1.png")
COLOURS = {"cats": 10, "dogs": 20, "newts": 30}


def write(root: Path, *names: str) -> Path:
    """Pictures whose grey is the number of their class folder."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        grey = next((value for part, value in COLOURS.items() if part in name), 0)
        Image.new("L", (16, 16), grey).save(root / name)
    return root


def zipped(root: Path) -> Path:
    return Path(shutil.make_archive(str(root), "zip", root.parent, root.name))


def options(cache: Path, **more: Any) -> dict[str, Any]:
    return {"resolution": 16, "channels": 1, "batch_size": 4, "cache_dir": str(cache)} | more


def batches(data: ImageData) -> list[tuple[list[int], list[int] | None]]:
    """Greys and labels of the batches that training gets."""
    found = fit(data, Watcher())
    return [(batch.real[:, 0, 8, 8].tolist(), None if batch.y is None else batch.y.tolist()) for batch in found]


@pytest.mark.parametrize("kind", ["folder", "zip"])
@pytest.mark.filterwarnings("ignore:.*is it whole")
@pytest.mark.parametrize(("target", "make"), [(FOLDER, Folder), (FACES, CelebAHQ), (FFHQ_FACES, FFHQ)])
def test_class_folders_are_named_and_their_labels_reach_the_batches(
    target: str, make: Any, kind: str, tmp_path: Path
) -> None:
    root = write(tmp_path / "root", *NAMES)
    root = zipped(root) if kind == "zip" else root
    before = sorted(tmp_path.rglob("*"))
    names = class_names(target, {"root": str(root), "labels": True, "resolution": "${not.read}"})
    assert names == ["cats", "dogs", "newts"]
    assert sorted(tmp_path.rglob("*")) == before, "listing writes nothing"
    labelled = make(str(root), **options(tmp_path / "cache", labels=True, classes=3, class_names=names))
    for greys, y in batches(labelled):
        assert y is not None
        assert greys == [COLOURS[labelled.class_names[label]] for label in y]
    assert labelled.reals.y.bincount().tolist() == [2, 1, 1]
    assert all(y is None for _, y in batches(make(str(root), **options(tmp_path / "cache", classes=3))))


@pytest.mark.parametrize("make", [lambda **o: Digits(**o), lambda **o: StackedDigits(n=500, **o | {"channels": 3})])
def test_sets_in_memory_give_their_labels_when_asked(make: Any, tmp_path: Path) -> None:
    classes = 10 if make(**options(tmp_path)).channels == 1 else 1000
    data = make(**options(tmp_path, labels=True, classes=classes))
    (seen, *_) = fit(data, Watcher())
    (unlabelled, *_) = fit(make(**options(tmp_path)), Watcher())
    assert torch.equal(seen.real, unlabelled.real), "the same images in the same order"
    assert unlabelled.y is None
    whole = data.reals.gather(torch.arange(len(data.reals)))
    for image, label in zip(seen.real, seen.y, strict=True):
        assert int(label) in data.reals.y[(whole == image).flatten(1).all(1)].tolist()


def test_labels_of_points_are_their_modes(tmp_path: Path) -> None:
    data = GaussiansRing(n=100, resolution=1, channels=2, batch_size=8, labels=True, classes=8)
    for batch in fit(data, Watcher()):
        nearest = (batch.real.flatten(1)[:, None] - data.means).norm(dim=-1).argmin(1)
        assert torch.equal(batch.y, nearest)


def test_a_set_of_another_number_of_classes_is_refused(tmp_path: Path) -> None:
    root = write(tmp_path / "root", *NAMES)
    message = r"^data\.classes is 2, but folder root has 3 classes: give data\.classes=3, or a set of 2 classes$"
    with pytest.raises(UserError, match=message):
        Folder(str(root), **options(tmp_path / "cache", labels=True, classes=2)).prepare()
    with pytest.raises(
        UserError, match=r"^data\.labels=true, but folder newts has no labels: give data\.labels=false$"
    ):
        Folder(str(root / "newts"), **options(tmp_path / "cache", labels=True, classes=2)).prepare()


def test_fixed_names_are_the_published_ones() -> None:
    def names(name: str, **node: Any) -> list[str]:
        return class_names(f"{SOURCES}.{name}", node)

    assert names("mnist.FashionMNIST") == torchvision.datasets.FashionMNIST.classes
    assert names("cifar10.CIFAR10")[:3] + names("cifar10.CIFAR10")[-2:] == [
        "airplane",
        "automobile",
        "bird",
        "ship",
        "truck",
    ]
    assert names("digits.Digits") == names("mnist.MNIST") == list("0123456789")
    stacked = names("stacked.StackedMNIST")
    assert (len(stacked), stacked[0], stacked[123]) == (1000, "000", "123")
    assert (len(names("gaussians.GaussiansRing", modes=12)), len(names("gaussians.GaussiansGrid", side=3))) == (12, 9)
    assert names("celeba.CelebA", root="???", attribute="Smiling") == ["no Smiling", "Smiling"]


def test_a_set_of_another_package_is_named_by_its_own_options() -> None:
    assert class_names("mine.Letters", {"classes": 3}) == ["0", "1", "2"]
    assert class_names("mine.Letters", {"classes": 2, "class_names": ["a", "b"]}) == ["a", "b"]


@pytest.mark.filterwarnings("ignore:.*is it whole")
def test_celebas_attribute_is_the_label(tmp_path: Path) -> None:
    root = trees.celeba(tmp_path / "root")
    names = class_names("seesaw.data.sources.celeba.CelebA", {"root": str(root), "attribute": "Male"})
    data = CelebA(str(root), attribute="Male", **options(tmp_path / "cache", labels=True, classes=2, class_names=names))
    column = trees.ATTRIBUTES.index("Male")
    expected = [(trees.attribute(number, column) + 1) // 2 for number in trees.NUMBERS]
    assert data.reals.y.tolist() == expected
    assert data.class_names[1] == "Male"
    (prepared,) = (tmp_path / "cache" / "prepared").glob("celeba-*/")
    assert class_names(FOLDER, {"root": str(prepared)}) == ["no Male", "Male"], "a prepared set keeps the names"


@pytest.mark.parametrize(("target", "node", "message"), [
    (FOLDER, {"root": None}, "^data.root must be given: add data.root=… to the command$"),
    (FOLDER, {"root": "???"}, "^data.root must be given"),
    (FOLDER, OmegaConf.create({"root": "???", "x": "${y}"}), "^data.root must be given"),
    (FOLDER, {"root": "absent"}, "^data.root='absent' does not exist"),
    (f"{SOURCES}.celeba.CelebA", {"root": "x", "attribute": None}, "^data.labels=true needs data.attribute, one of CelebA's 40"),
    (f"{SOURCES}.style_pair.StylePair", {"classes": 0}, "^data.labels=true, but data.classes is 0: the set has no labels"),
    ("mine.Letters", {}, "but data.classes is 0"),
    ("mine.Letters", {"classes": "${x}"}, r"^data.classes must be a whole number up to 100,000 with .*, not '\${x}'$"),
    ("mine.Letters", {"classes": MOST_CLASSES + 1}, "data.classes must be a whole number up to 100,000"),
    ("seesaw.data.sources.gaussians.GaussiansRing", {"modes": "many"}, "^data.modes must be a whole number"),
    ("seesaw.data.sources.gaussians.GaussiansGrid", {"side": "five"}, "^data.side, squared, must be a whole number"),
])  # fmt: skip
def test_a_set_without_labels_is_one_sentence(target: str, node: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message) as caught:
        class_names(target, node)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("names", [("1.png", "cats/2.png", "dogs/3.png"), ("cats/1.png", "cats/2.png")])
def test_a_folder_without_class_folders_is_one_sentence(names: tuple[str, ...], tmp_path: Path) -> None:
    root = write(tmp_path / "root", *names)
    message = r"data.root='.*root' has no class folders: put the images of each class into a folder of its own, or give"
    with pytest.raises(UserError, match=message):
        class_names(FOLDER, {"root": str(root)})


def test_ffhqs_numbered_folders_are_no_classes(tmp_path: Path) -> None:
    root = write(tmp_path / "images1024x1024", "00000/00000.png", "01000/01000.png")
    with pytest.raises(UserError, match="the folders 00000, … of FFHQ only number its images: put the images of each"):
        class_names(FFHQ_FACES, {"root": str(root)})
    assert class_names(FOLDER, {"root": str(root)}) == ["00000", "01000"], "one's own folders may be numbers"


@pytest.mark.parametrize("bad", ["${oc.env:HOME}", "a\nb", "\x1b[31mred", "caf\udce9"])
@pytest.mark.parametrize("kind", ["folder", "zip"])
def test_names_that_no_configuration_can_hold_are_refused(bad: str, kind: str, tmp_path: Path) -> None:
    root = tmp_path / "root.zip"
    if kind == "folder":
        root = write(tmp_path / "root", f"{bad}/1.png", "dogs/1.png")
    elif "\udce9" in bad:
        pytest.skip("names in a zip are text")
    else:
        with zipfile.ZipFile(root, "w") as archive:
            archive.writestr(f"{bad}/1.png", b"unread")
            archive.writestr("dogs/1.png", b"unread")
    with pytest.raises(UserError, match=r"has a class folder '.*': rename it") as caught:
        class_names(FOLDER, {"root": str(root)})
    assert str(caught.value).isprintable()
    assert Folder(str(root), **options(tmp_path)).plan().y == [0, 1], "unlabelled runs take any name"


@pytest.mark.parametrize("make", [make_folder, make_zip])
def test_hostile_trees_are_listed_without_being_read(
    make: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / ("tree" if make is make_folder else "tree.zip")
    make(place)
    monkeypatch.setattr("seesaw.data.prepare.tree.FolderTree.read", lambda *_: pytest.fail("read"))
    monkeypatch.setattr("seesaw.data.prepare.tree.ZipTree.read", lambda *_: pytest.fail("read"))
    with pytest.raises(UserError, match="has no class folders"):
        class_names(FOLDER, {"root": str(place)})


def test_too_many_class_folders_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("seesaw.data.classes.MOST_CLASSES", 2)
    with pytest.raises(UserError, match="has 3 class folders, at most 2 are taken"):
        class_names(FOLDER, {"root": str(write(tmp_path / "root", *NAMES))})


@pytest.mark.filterwarnings("ignore:.*cannot be used")
def test_a_prepared_set_gives_names_and_labels_without_its_files(tmp_path: Path) -> None:
    root = write(tmp_path / "root", *NAMES)
    (root / "newts" / "1.png").write_bytes(b"")  # the class whose only image is bad keeps its number
    Folder(str(root), max_bad=0.5, **options(tmp_path / "cache")).prepare()
    (folder,) = (tmp_path / "cache" / "prepared").glob("folder*/")
    shutil.rmtree(root)
    assert class_names(FOLDER, {"root": str(folder)}) == ["cats", "dogs", "newts"]
    reals = Folder(str(folder), **options(tmp_path / "unused", labels=True, classes=3, max_bad=0.5)).reals
    assert (reals.y.tolist(), reals.classes) == ([0, 0, 1], 3)


def test_a_prepared_set_without_labels_is_one_sentence(tmp_path: Path) -> None:
    Folder(str(write(tmp_path / "root", "1.png")), **options(tmp_path / "cache")).prepare()
    (folder,) = (tmp_path / "cache" / "prepared").glob("folder*/")
    with pytest.raises(UserError, match=r"^data.labels=true, but the prepared set data.root='.*' has no labels: give"):
        class_names(FOLDER, {"root": str(folder)})


@pytest.mark.filterwarnings("ignore:.*is it whole")
def test_asking_for_labels_does_not_prepare_faces_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write(tmp_path / "root", *NAMES)
    plain = CelebAHQ(str(root), **options(tmp_path / "cache")).reals
    monkeypatch.setattr(preparing, "_make", lambda *_: pytest.fail("prepared again"))
    labelled = CelebAHQ(str(root), **options(tmp_path / "cache", labels=True, classes=3)).reals
    assert labelled.y.tolist() == [0, 0, 1, 2]
    assert labelled.identity == plain.identity
    assert labelled.level(8).y.tolist() == [0, 0, 1, 2]


def test_keys_of_prepared_sets_are_those_of_the_first_version() -> None:
    """Computed at commit fe0cea8: with other keys the sets of an older format would stay in the cache beside the new ones."""
    tree: Any = SimpleNamespace(fingerprint="0123456789abcdef")
    assert Plan("set", tree, Decoding(16, 3), [0, 1, 1], ["a", "b"]).key == "1992f8fe42a57839"
    assert Plan("set", tree, Decoding(16, 3)).key == "4f203b89526d69ac"


def everything(below: Path) -> list[tuple[str, int]]:
    return sorted((str(path), path.stat().st_mtime_ns) for path in (below, *below.rglob("*")))


def test_nothing_is_written_below_root(tmp_path: Path) -> None:
    """Neither beside the images, nor in a prepared set that is given as root: missing levels go to the cache."""
    root = write(tmp_path / "root", *NAMES)
    before = everything(root)
    Folder(str(root), **options(tmp_path / "one")).reals.level(8)
    assert everything(root) == before
    (prepared,) = (tmp_path / "one" / "prepared").glob("folder*/")
    before = everything(tmp_path / "one")
    reals = Folder(str(prepared), **options(tmp_path / "two")).reals
    assert isinstance(reals, PreparedSet)
    assert not (tmp_path / "two").exists(), "opening writes nothing"
    assert torch.equal(reals.level(8).images, reals.images[..., :8, :8]), "pictures of one grey"
    reals.level(4)
    assert everything(tmp_path / "one") == before
    assert sorted(path.name for path in (tmp_path / "two").rglob("*.npy")) == ["images-4.npy"], (
        "8 px lay beside the set"
    )
    again = Folder(str(prepared), **options(tmp_path / "two")).reals.level(4)
    assert again.images.shape == (4, 1, 4, 4)


def test_naming_classes_imports_no_torch(tmp_path: Path) -> None:
    root = write(tmp_path / "root", *NAMES)
    program = (
        "import sys; from seesaw.data.classes import class_names\n"
        f"print(class_names({FOLDER!r}, {{'root': {str(root)!r}}}), 'torch' in sys.modules)"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=environment
    )
    assert printed.stdout == "['cats', 'dogs', 'newts'] False\n"
