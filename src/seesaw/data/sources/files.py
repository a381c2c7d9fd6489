"""Sets that lie as image files in a folder or a zip: they are prepared once, then read from one mapped file."""

import hashlib
import json
import os
from abc import abstractmethod
from pathlib import Path
from typing import Any, Unpack

from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData
from seesaw.data.prepare.decode import Crop, Decoding
from seesaw.data.prepare.prepared import PreparedSet, labelled_by_folder, open_prepared
from seesaw.data.prepare.tree import labels, open_tree
from seesaw.data.prepare.write import Plan, prepare, whole
from seesaw.data.sources.faces import Split, find_celeba, find_celeba_hq, find_ffhq
from seesaw.errors import UserError

LAUNCHED = "SEESAW_LAUNCHED"
"""The environment variable that the first process of a data-parallel run sets for those that it starts ."""
LISTED = "SEESAW_PREPARED"
"""The environment variable that hands these, as JSON, the prepared folder of each set that the first one has listed."""


class TreeData(ImageData):
    """A set of image files, prepared in `cache_dir` when that has not happened yet.

    A list of all files with their sizes and times decides whether the prepared set is the right one. A process that another one
    of the same run started takes the folder that this one found. Nothing is ever written below `root`.

    With `labels` a set whose own files list no labels gets them from its class folders, as `Folder` does.

    Args:
        max_bad: the share of images, 0 ... 1, that may be unreadable, too small, too large or refused. They are skipped; a
            warning counts them and names the first, and a file in `cache_dir` lists all with the reasons.
        common: see `seesaw.data.module.Common`.
    """

    root: str
    decoding: Decoding
    part: tuple[str | None, ...] = ()
    """Options that choose among the images or their labels."""

    def __init__(self, max_bad: float = 0.05, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        if not 0 <= max_bad <= 1:
            raise ValueError(f"max_bad must be a share from 0 to 1, not {max_bad}")
        self.max_bad = max_bad

    @abstractmethod
    def plan(self) -> Plan:
        """What is to be prepared. UserError where the files cannot be found."""

    def load(self) -> ImageSet:
        reals = self.open_set()
        return labelled_by_folder(reals, self.classes) if self.labels and reals.y is None else reals

    def open_set(self) -> PreparedSet:
        """The prepared set, which `root` may be itself, else the one made of the files in `root`."""
        root = Path(self.root).expanduser()
        index = whole(root) if (root / "index.json").is_file() else None
        if index is not None:
            self.check_prepared(index)
            key = hashlib.sha256(repr((os.path.abspath(root), index["sha256"], index["shape"])).encode()).hexdigest()
            return open_prepared(root, Path(self.cache_dir).expanduser() / "prepared" / f"levels-{key[:16]}")
        places = os.path.abspath(root), os.path.abspath(self.cache_dir)
        asked = repr((type(self).__name__, *places, self.part, self.decoding))
        listed: dict[str, str] = json.loads(os.environ.get(LISTED, "{}"))
        if LAUNCHED not in os.environ or asked not in listed or whole(Path(listed[asked])) is None:
            listed[asked] = str(prepare(self.plan(), self.cache_dir).absolute())
            os.environ[LISTED] = json.dumps(listed)
        return open_prepared(Path(listed[asked]))

    def check_prepared(self, index: dict[str, Any]) -> None:
        """Raise UserError where the prepared set with this index, which `root` is itself, is not what the options ask for."""
        raise UserError(f"data.root={self.root!r} is a prepared set ({index['name']}), which data=folder opens")


class Folder(TreeData):
    """One's own images: every jpg, jpeg, png, webp, bmp and gif (its first frame) below `root`, a folder or a zip.

    An image is turned upright by its EXIF tag, laid on the background where it is transparent, brought to 8 bits and to grey
    or RGB, cropped and resized bilinearly with antialiasing. The names of the first-level sub-folders, sorted, become the
    labels if there are two or more and every image lies in one.

    Args:
        root: a folder, links to folders in it included, or a zip file; or the folder of a prepared set of whatever kind, which
            is opened as it is: its files are neither looked for nor needed.
        crop: `center` takes the largest central square, `random` one at a place that the file's name decides, once for all
            epochs; `none` squeezes the whole image into the square.
        background: a colour as CSS writes it (`white`, `#202020`), seen where an image is transparent.
        max_bad: see `TreeData`.
    """

    def __init__(
        self,
        root: str,
        crop: Crop = "center",
        background: str = "white",
        max_bad: float = 0.05,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(max_bad, **common)
        self.root = root
        self.decoding = Decoding(self.resolution, self.channels, crop, background)

    def check_prepared(self, index: dict[str, Any]) -> None:
        for option in ("resolution", "channels", "crop", "background"):
            there, asked = index.get("decoding", {}).get(option), getattr(self.decoding, option)
            if there != asked:
                raise UserError(
                    f"data.root={self.root!r} was prepared with {option}={there}, not {asked}: give data.{option}={there}, or "
                    "the folder or zip of the images"
                )

    def plan(self) -> Plan:
        path = Path(self.root).expanduser()
        tree = open_tree(path)
        name = f"folder {path.absolute().stem}"
        found = labels(tree.names)
        y, names = (None, None) if found is None else found
        return Plan(name, tree, self.decoding, y, names, self.max_bad)


class CelebA(TreeData):
    """CelebA (Liu et al. 2015): 202,599 faces, aligned and cropped to 178x218. Only the images or their zip are needed.

    Args:
        root: the folder of images or its zip, or a folder that holds either (`celeba/img_align_celeba`, Kaggle's layout);
            see `seesaw.data.sources.faces.find_celeba`.
        split: all images, or a part by the partition file; without that file by number, as published.
        side: the square that is cut out, in pixels, before the resize: 178 is the whole width; 148, 140, 128 and 108 are
            seen in papers.
        center: its centre (x, y); null: the middle, (89, 109). Karras et al. 2018 cut 128 px about (89, 121).
        attribute: one of the 40 attributes becomes the label (0 or 1); needs list_attr_celeba. null: no labels.
        max_bad: see `TreeData`.
    """

    def __init__(
        self,
        root: str,
        split: Split = "all",
        side: int = 178,
        center: list[int] | None = None,
        attribute: str | None = None,
        max_bad: float = 0.05,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(max_bad, **common)
        if split not in ("all", "train", "valid", "test"):
            raise ValueError(f"split must be one of all, train, valid, test, not {split!r}")
        if center is not None and len(center) != 2:
            raise ValueError(f"center must be null or two numbers, x and y, not {center}")
        self.root, self.split, self.attribute = root, split, attribute
        self.part = (split, attribute)
        where = None if center is None else (center[0], center[1])
        self.decoding = Decoding(self.resolution, self.channels, side=side, center=where)

    def plan(self) -> Plan:
        found = find_celeba(self.root, self.split, self.attribute)
        name = "celeba" if self.split == "all" else f"celeba-{self.split}"
        return Plan(name, found.tree, self.decoding, found.y, found.class_names, self.max_bad)


class CelebAHQ(TreeData):
    """CelebA-HQ (Karras et al. 2018): 30,000 faces of up to 1024 px, a folder or a zip; see `find_celeba_hq`."""

    def __init__(self, root: str, max_bad: float = 0.05, **common: Unpack[Common]) -> None:
        super().__init__(max_bad, **common)
        self.root, self.decoding = root, Decoding(self.resolution, self.channels)

    def plan(self) -> Plan:
        found = find_celeba_hq(self.root)
        return Plan("celeba_hq", found.tree, self.decoding, max_bad=self.max_bad)


class FFHQ(TreeData):
    """FFHQ (Karras et al. 2019): 70,000 faces of 1024 px, or its thumbnails of 128, a folder or a zip; see `find_ffhq`."""

    def __init__(self, root: str, max_bad: float = 0.05, **common: Unpack[Common]) -> None:
        super().__init__(max_bad, **common)
        self.root, self.decoding = root, Decoding(self.resolution, self.channels)

    def plan(self) -> Plan:
        found = find_ffhq(self.root)
        return Plan("ffhq", found.tree, self.decoding, max_bad=self.max_bad)
