"""What the sets share that lie as image files in a folder or a zip: they are prepared once, then read from one mapped file."""

import hashlib
import json
import os
from abc import abstractmethod
from pathlib import Path
from typing import Any, Unpack

from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData
from seesaw.data.prepare.decode import Decoding, describe_decoding
from seesaw.data.prepare.prepared import PreparedSet, open_prepared
from seesaw.data.prepare.tree import Found, describe_rest
from seesaw.data.prepare.write import Plan, prepare, prepared_at, whole
from seesaw.errors import UserError

LAUNCHED = "SEESAW_LAUNCHED"
"""The environment variable that the first process of a data-parallel run sets for those that it starts."""
LISTED = "SEESAW_PREPARED"
"""The environment variable that hands these, as JSON, the prepared folder of each set that the first one has listed."""


class ImageFiles(ImageData):
    """A set of image files, prepared in `cache_dir` when that has not happened yet.

    A list of all files with their sizes and times decides whether the prepared set is the right one. A process that another one
    of the same run started takes the folder that this one found. Nothing is ever written below `root`.

    Args:
        root: where the files are.
        max_bad: the share of images, 0 ... 1, that may be unreadable, too small, too large or refused. They are skipped; a
            warning counts them and names the first, and a file in `cache_dir` lists all with the reasons.
        common: see `seesaw.data.module.Common`.

    Attributes:
        name: of the set.
        decoding: how each image is decoded; a subclass with options of its own sets it anew.
        part: options that choose among the images or their labels.
        beside: what lies beside the images and is not read, in words; empty until the files are listed.
    """

    name: str
    part: tuple[str | None, ...] = ()

    def __init__(self, root: str, max_bad: float = 0.05, **common: Unpack[Common]) -> None:
        super().__init__(**common)
        if not 0 <= max_bad <= 1:
            raise ValueError(f"max_bad must be a share from 0 to 1, not {max_bad}")
        self.root, self.max_bad, self.beside = root, max_bad, list[str]()
        self.decoding = Decoding(self.resolution, self.channels)

    @abstractmethod
    def find(self) -> Found:
        """List the images, and their labels where they have some. UserError: they cannot be found."""

    def plan(self) -> Plan:
        """What is to be prepared. UserError: the files cannot be found."""
        found = self.find()
        self.beside = describe_rest(found.tree)
        return Plan(self.name, found.tree, self.decoding, found.y, found.class_names, self.max_bad)

    def load(self) -> ImageSet:
        """The prepared set, which `root` may be itself, else the one made of the files in `root`."""
        index = prepared_at(self.root)
        if index is not None:
            self.check_prepared(index)
            root = os.path.abspath(Path(self.root).expanduser())
            key = hashlib.sha256(repr((root, index["sha256"])).encode()).hexdigest()[:16]
            return open_prepared(Path(root), Path(self.cache_dir).expanduser() / "prepared" / f"levels-{key}")
        places = os.path.abspath(Path(self.root).expanduser()), os.path.abspath(self.cache_dir)
        asked = repr((type(self).__name__, *places, self.part, self.decoding))
        listed: dict[str, str] = json.loads(os.environ.get(LISTED, "{}"))
        if LAUNCHED not in os.environ or asked not in listed or whole(Path(listed[asked])) is None:
            listed[asked] = str(prepare(self.plan(), self.cache_dir).absolute())
            os.environ[LISTED] = json.dumps(listed)
        return open_prepared(Path(listed[asked]))

    @property
    def description(self) -> str:
        """Name and shape of the set, how many images were read and skipped, how they were cropped, and what was left out."""
        loaded = self.loaded
        index = whole(loaded.folder) if isinstance(loaded, PreparedSet) and loaded.folder is not None else None
        if index is None:
            return super().description
        skipped = f"{len(index['bad']):,} skipped" if index["bad"] else "none skipped"
        read = f"{len(loaded):,} of {index['total']:,} images read, {skipped}"
        return f"{super().description}: {'; '.join((read, describe_decoding(index['decoding']), *self.beside))}"

    def check_prepared(self, index: dict[str, Any]) -> None:
        """Raise UserError where the prepared set with this index, which `root` is itself, does not match the options."""
        raise UserError(f"data.root={self.root!r} is a prepared set ({index['name']}), which data=folder opens")
