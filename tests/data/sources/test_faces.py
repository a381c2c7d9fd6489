"""CelebA, CelebA-HQ and FFHQ in the layouts that people have; splits and attributes against torchvision's own loader."""

import pickle
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
import torchvision
import trees
from torchvision.transforms import functional as F

from seesaw.data.prepare.decode import Decoding, decode
from seesaw.data.prepare.tree import Found
from seesaw.data.sources.celeba import CelebA
from seesaw.data.sources.celeba_layouts import NUMBERS, PLACES, find_celeba
from seesaw.data.sources.faces import find_celeba_hq, find_ffhq
from seesaw.errors import UserError

NAMES = [f"{number:06d}.jpg" for number in trees.NUMBERS]
DOUBLED = "img_align_celeba/img_align_celeba/"

LAYOUTS = {
    "torchvision": ("celeba/img_align_celeba/", "celeba/", "txt", ""),
    "torchvision, not unpacked": ("celeba/img_align_celeba.zip/img_align_celeba/", "celeba/", "txt", ""),
    "the folder above": ("img_align_celeba/", "", "txt", ""),
    "the folder itself": ("img_align_celeba/", "", "txt", "img_align_celeba"),
    "under another name": ("faces/", "faces/", "csv", "faces"),
    "the authors' folders": ("Img/img_align_celeba.zip/img_align_celeba/", "Anno/", "txt", ""),
    "Kaggle, unpacked": (DOUBLED, "", "csv", ""),
    "Kaggle, its outer folder": (DOUBLED, "", "csv", "img_align_celeba"),
    "Kaggle, its inner folder": (DOUBLED, "", "csv", DOUBLED),
    "Kaggle's zip": (f"archive.zip/{DOUBLED}", "archive.zip/", "csv", ""),
    "Kaggle's zip itself": (f"archive.zip/{DOUBLED}", "archive.zip/", "csv", "archive.zip"),
    "the authors' zip itself": ("img_align_celeba.zip/img_align_celeba/", "", "txt", "img_align_celeba.zip"),
    "a flat zip": ("my.zip/", "my.zip/", "txt", "my.zip"),
    "a zip of torchvision's folder": ("my.zip/data/celeba/img_align_celeba/", "my.zip/data/celeba/", "txt", "my.zip"),
    "a zip with one folder": ("my.zip/faces/", "my.zip/faces/", "csv", "my.zip"),
    "deeper than expected": ("sets/of/faces/img_align_celeba/", "sets/of/", "txt", ""),
}
"""Where the images are, where the tables are and of which kind, and what is given as root."""


@pytest.fixture(autouse=True)
def _few_images() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*is it whole")
        yield


def lay_out(folder: Path, layout: str) -> str:
    """Write the layout; returns the root."""
    place, beside, kind, root = LAYOUTS[layout]
    files = {place + name: content for name, content in trees.images().items()}
    files |= {beside + name: content for name, content in trees.tables(kind).items()}
    trees.write(folder, files)
    return str(folder / root)


def names_of(found: Found) -> list[str]:
    return found.tree.names


@pytest.mark.parametrize("layout", LAYOUTS)
def test_celeba_is_found_in_each_layout(layout: str, tmp_path: Path) -> None:
    root = lay_out(tmp_path, layout)
    found = find_celeba(root)
    assert names_of(found) == NAMES, "bare names: a random crop depends on them"
    assert (found.y, found.class_names) == (None, None)
    assert all(found.tree.read(name) == trees.images()[name] for name in NAMES)
    copy = pickle.loads(pickle.dumps(found.tree))
    assert copy.read(NAMES[-1]) == trees.images()[NAMES[-1]]
    column = trees.ATTRIBUTES.index("Smiling")
    for split, of_split in {"train": NAMES[:5], "valid": NAMES[5:8], "test": NAMES[8:]}.items():
        found = find_celeba(root, split, "Smiling")  # type: ignore[arg-type]
        assert names_of(found) == of_split
        assert found.y == [(trees.attribute(int(name[:6]), column) + 1) // 2 for name in of_split]
        assert found.class_names == ["no Smiling", "Smiling"]


@pytest.mark.parametrize("place", ["root/", "root/img_align_celeba/", "my.zip/", "my.zip/faces/img_align_celeba/"])
def test_other_images_beside_celebas_are_left_out(place: str, tmp_path: Path) -> None:
    root = place.partition("/")[0]
    others = {f"{root}/{name}": trees.face(1) for name in ("docs/preview.jpg", "docs/000009.jpg", "docs/000010.jpg")}
    trees.write(tmp_path, others | {place + name: content for name, content in trees.images((1, 2, 3, 4)).items()})
    assert names_of(find_celeba(str(tmp_path / root))) == ["000001.jpg", "000002.jpg", "000003.jpg", "000004.jpg"]


def test_splits_and_attributes_are_those_of_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trees.celeba(tmp_path)
    monkeypatch.setattr(torchvision.datasets.CelebA, "_check_integrity", lambda self: True)  # it wants the whole set
    for split in ("train", "valid", "test", "all"):
        theirs = torchvision.datasets.CelebA(str(tmp_path), split)
        for attribute in ("5_o_Clock_Shadow", "Male", "Young"):
            ours = find_celeba(str(tmp_path), split, attribute)  # type: ignore[arg-type]
            assert names_of(ours) == list(theirs.filename)
            assert ours.y == theirs.attr[:, theirs.attr_names.index(attribute)].tolist()
        image = F.resize(F.center_crop(F.pil_to_tensor(theirs[0][0]), 178), [64, 64], antialias=True)
        pixels = decode(ours.tree.read(names_of(ours)[0]), "", Decoding(64, 3, side=178))
        assert (torch.from_numpy(pixels.copy()).int() - image.int()).abs().max() <= 1


def test_without_a_partition_file_the_published_numbers_count(tmp_path: Path) -> None:
    assert [len(NUMBERS[split]) for split in ("train", "valid", "test")] == [162_770, 19_867, 19_962]
    root = str(trees.write(tmp_path, {f"img_align_celeba/{n}": c for n, c in trees.images().items()}))
    assert names_of(find_celeba(root, "train")) == NAMES[:5]
    assert names_of(find_celeba(root, "valid")) == NAMES[5:8]
    assert names_of(find_celeba(root, "test")) == NAMES[8:]
    with pytest.raises(UserError, match=r"data.split=test: none of the 3 images of '.*img_align_celeba' is in it"):
        find_celeba(str(trees.celeba(tmp_path / "few", (1, 2, 3))), "test")
    with pytest.raises(ValueError, match="split must be one of all, train, valid, test, not 'val'"):
        CelebA(root, "val", resolution=8, channels=3, batch_size=1)  # type: ignore[arg-type]


def test_the_partition_file_wins_over_the_published_numbers(tmp_path: Path) -> None:
    trees.celeba(tmp_path)
    table = tmp_path / "celeba" / "list_eval_partition.txt"
    table.write_text(table.read_text().replace("000002.jpg 0", "000002.jpg 2"))
    assert names_of(find_celeba(str(tmp_path), "test")) == ["000002.jpg", *NAMES[8:]]


def test_an_unreadable_image_is_counted_in_its_own_split(tmp_path: Path) -> None:
    trees.celeba(tmp_path)
    (tmp_path / "celeba" / "img_align_celeba" / "000002.jpg").unlink()
    (tmp_path / "celeba" / "img_align_celeba" / "000002.jpg").symlink_to("nowhere")
    (tmp_path / "celeba" / "img_align_celeba" / "thumbnail.jpg").write_bytes(b"no face")
    found = find_celeba(str(tmp_path), "train", "Male")
    assert list(found.tree.refused) == ["000002.jpg"]
    assert found.y is not None
    assert len(found.y) == len(names_of(found)) == 4
    assert not find_celeba(str(tmp_path), "valid").tree.refused


def test_a_set_that_is_not_whole_gives_a_warning(tmp_path: Path) -> None:
    trees.celeba(tmp_path)
    with pytest.warns(UserWarning, match=r"img_align_celeba' holds 10 images, CelebA has 202,599: is it whole\?"):
        find_celeba(str(tmp_path))


ATTRIBUTE_TABLE, PARTITION = "list_attr_celeba.txt", "list_eval_partition.txt"


@pytest.mark.parametrize(("name", "old", "new", "message"), [
    (ATTRIBUTE_TABLE, "Smiling ", "", "list_attr_celeba.txt, line 3: 40 values under 39 names"),
    (ATTRIBUTE_TABLE, "000002.jpg.*", "000002.jpg" + 40 * " 0", "list_attr_celeba.txt, line 4: an image and one of -1, 1 were"),
    (ATTRIBUTE_TABLE, "000002.jpg.*", "000002.jpg 1", "list_attr_celeba.txt, line 4: an image and one of -1, 1 were"),
    (ATTRIBUTE_TABLE, "000002.jpg", "<html>", "list_attr_celeba.txt, line 4: an image and one of -1, 1 were"),
    (ATTRIBUTE_TABLE, "000002.jpg", "100002.jpg", "list_attr_celeba.txt has no row for '000002.jpg'"),
    (ATTRIBUTE_TABLE, r"(?s).*", "<html>", "list_attr_celeba.txt lists no images"),
    (PARTITION, "000002.jpg 0", "000002.jpg 3", "list_eval_partition.txt, line 2: an image and one of 0, 1, 2 were"),
    (PARTITION, "000002.jpg 0", "", "list_eval_partition.txt has no row for '000002.jpg'"),
])  # fmt: skip
def test_wrong_tables_are_explained(name: str, old: str, new: str, message: str, tmp_path: Path) -> None:
    path = trees.celeba(tmp_path) / "celeba" / name
    path.write_text(re.sub(old, new, path.read_text(), count=1))
    with pytest.raises(UserError, match=message):
        find_celeba(str(tmp_path), "train", "Smiling")


def test_missing_and_damaged_tables_are_explained(tmp_path: Path) -> None:
    (trees.celeba(tmp_path) / "celeba" / ATTRIBUTE_TABLE).unlink()
    with pytest.raises(
        UserError, match=r"data.attribute='Male' needs list_attr_celeba.txt or .csv.* put it beside the images"
    ):
        find_celeba(str(tmp_path), attribute="Male")
    root = trees.write(
        tmp_path, {f"a.zip/{name}": content for name, content in (trees.images() | trees.tables("csv")).items()}
    )
    content = (root / "a.zip").read_bytes()
    (root / "a.zip").write_bytes(content.replace(b"5_o_Clock", b"6_o_Clock", 1))
    with pytest.raises(UserError, match=r"a.zip/list_attr_celeba.csv cannot be read: in the zip: Bad CRC-32"):
        find_celeba(str(root / "a.zip"), attribute="Male")


def test_an_unknown_attribute_is_named_with_the_nearest(tmp_path: Path) -> None:
    trees.celeba(tmp_path)
    message = r"data.attribute='smile' is none of .*list_attr_celeba.txt; did you mean 'Smiling'\? \(5_o_Clock_Shadow, .*Young\)"
    with pytest.raises(UserError, match=message):
        find_celeba(str(tmp_path), attribute="smile")
    with pytest.raises(UserError, match=r"none of .*list_attr_celeba.txt \(5_o"):
        find_celeba(str(tmp_path), attribute="qqqq")


def test_a_missing_celeba_lists_what_was_tried_and_how_to_get_it(tmp_path: Path) -> None:
    def message_of(root: Path) -> str:
        with pytest.raises(UserError) as caught:
            find_celeba(str(root))
        text = str(caught.value)
        assert "\n" not in text
        assert text.startswith(f"data.root={str(root)!r}: CelebA was not found (")
        needed = ("202,599 jpg of 178x218", "mmlab.ie.cuhk.edu.hk/projects/CelebA.html", "jessicali9530/celeba-dataset")
        assert all(part in text for part in (*needed, "data.root=FOLDER"))
        return text

    assert f"(there is no {str(tmp_path / 'absent')!r})" in message_of(tmp_path / "absent")
    files = {"img_align_celeba.zip": b"<!DOCTYPE html>Quota exceeded", "celeba/img_align_celeba/readme.txt": b"?"}
    text = message_of(trees.write(tmp_path / "root", files | {"holiday.png": b"own picture"}))
    tried = [place for place in PLACES if place not in ("", "celeba/img_align_celeba", "img_align_celeba.zip")]
    assert f"{str(tmp_path / 'root')!r} has no {', '.join(tried)});" in text
    assert "celeba/img_align_celeba' holds no images, but 1 of .txt" in text
    assert "img_align_celeba.zip' is a web page" in text
    assert "root' holds 1 images, such as 'holiday.png', but no img_align_celeba and none by number" in text
    (tmp_path / "root" / "img_align_celeba.zip").write_bytes(b"PK")
    assert "img_align_celeba.zip' is a damaged zip" in message_of(tmp_path / "root")


PICTURE = trees.face(1, (64, 64))

HQ = {
    "one size": ("celeba_hq_256/00000.jpg", ["", "celeba_hq_256"]),
    "with masks": ("CelebAMask-HQ/CelebA-HQ-img/0.jpg", ["", "CelebAMask-HQ", "CelebAMask-HQ/CelebA-HQ-img"]),
    "full size": ("data1024x1024/00001.png", ["", "data1024x1024"]),
    "no size": ("celeba_hq/train/female/1.jpg", ["", "celeba_hq", "celeba_hq/train"]),
    "zip": ("my.zip/CelebAMask-HQ/CelebA-HQ-img/0.jpg", ["my.zip"]),
    "sized zip": ("celebahq-resized-256x256.zip/celeba_hq_256/0.jpg", ["", "celebahq-resized-256x256.zip"]),
}
"""Where an image is, and the roots from which it is found."""


@pytest.mark.parametrize("layout", HQ)
def test_celeba_hq_is_found_in_each_layout(layout: str, tmp_path: Path) -> None:
    place, roots = HQ[layout]
    mask = place.replace("CelebA-HQ-img/0.jpg", "CelebAMask-HQ-mask-anno/0/0_skin.png")
    trees.write(tmp_path, {mask: b"a mask", place: PICTURE})
    for root in roots:
        found = find_celeba_hq(str(tmp_path / root))
        (name,) = names_of(found)
        assert f"{found.tree.place}/{name}" == str(tmp_path / place)
        assert found.tree.read(name) == PICTURE
        assert (found.y, found.class_names) == (None, None)


def test_masked_celeba_hq_counts_as_the_full_size(tmp_path: Path) -> None:
    trees.write(tmp_path, {"data512x512/0.png": PICTURE, "CelebAMask-HQ/CelebA-HQ-img/1.jpg": PICTURE})
    with pytest.warns(UserWarning, match="CelebA-HQ-img' is taken"):
        assert names_of(find_celeba_hq(str(tmp_path))) == ["1.jpg"]


FFHQ = {
    "images1024x1024/00000/00000.png": PICTURE,
    "images1024x1024/LICENSE.txt": b"CC",
    "thumbnails128x128/00000/00000.png": PICTURE,
    "thumbnails128x128/01000/01000.png": PICTURE,
    "in-the-wild-images/00000/00000.png": PICTURE,
}


def test_of_ffhqs_folders_the_largest_is_taken_and_the_others_are_named(tmp_path: Path) -> None:
    folder = trees.write(tmp_path / "ffhq-dataset", FFHQ)
    zipped = trees.write(tmp_path, {f"all.zip/{name}": content for name, content in FFHQ.items()}) / "all.zip"
    for root, hint in ((folder, "; give data.root to take another"), (zipped, "")):
        notice = rf"images1024x1024' is taken, the largest; also there: '{root}/thumbnails128x128'{hint}$"
        with pytest.warns(UserWarning, match=notice):
            found = find_ffhq(str(root))
        assert names_of(found) == ["00000/00000.png"]
        assert found.tree.place.endswith("images1024x1024")
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*is taken")
        small = find_ffhq(str(folder / "thumbnails128x128"))
    assert names_of(small) == ["00000/00000.png", "01000/01000.png"]
    with pytest.warns(UserWarning, match="holds 2 images, FFHQ has 70,000"):
        find_ffhq(str(folder / "thumbnails128x128"))


def test_of_nested_folders_the_inner_one_counts(tmp_path: Path) -> None:
    trees.write(tmp_path, {"ffhq_1024/thumbnails128x128/0.png": PICTURE, "images256x256/1.png": PICTURE})
    with pytest.warns(UserWarning, match="images256x256' is taken"):
        assert names_of(find_ffhq(str(tmp_path))) == ["1.png"]


def test_ffhqs_zips_in_a_folder_are_candidates_too(tmp_path: Path) -> None:
    trees.write(tmp_path, {"thumbnails128x128.zip/thumbnails128x128/00000/00000.png": PICTURE, "notes.txt": b""})
    assert names_of(find_ffhq(str(tmp_path))) == ["00000/00000.png"]
    trees.write(tmp_path, {"images256x256/0.png": PICTURE, "images256x256/1.png": PICTURE})
    with pytest.warns(UserWarning, match=r"images256x256' is taken, the largest; also there: .*thumbnails128x128.zip'"):
        assert names_of(find_ffhq(str(tmp_path))) == ["0.png", "1.png"]
    (tmp_path / "images1024x1024.zip").write_bytes(b"PK")
    with (
        pytest.warns(UserWarning, match="images1024x1024.zip' is taken"),
        pytest.raises(UserError, match=r"images1024x1024.zip' is a damaged zip"),
    ):
        find_ffhq(str(tmp_path))


@pytest.mark.parametrize(("find", "count", "avoided"), [
    (find_celeba_hq, "30,000", "CelebAMask-HQ-mask-anno"), (find_ffhq, "70,000", "in-the-wild-images"),
])  # fmt: skip
def test_missing_high_quality_sets_are_explained(
    find: Callable[[str], Found], count: str, avoided: str, tmp_path: Path
) -> None:
    trees.write(tmp_path, {f"{avoided}/0.png": PICTURE})
    for root, what in {tmp_path / "absent": "does not exist", tmp_path: f"holds only .*{avoided}"}.items():
        with pytest.raises(UserError, match=rf"^data.root=.*{what}.*expected are {count} images.*data.root=FOLDER$"):
            find(str(root))
