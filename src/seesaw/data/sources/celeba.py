"""CelebA: faces with 40 attributes."""

from typing import Unpack, get_args

from seesaw.data.module import Common
from seesaw.data.prepare.decode import Decoding
from seesaw.data.prepare.tree import Found
from seesaw.data.sources.celeba_layouts import Split, find_celeba
from seesaw.data.sources.image_files import ImageFiles


class CelebA(ImageFiles):
    """CelebA (Liu et al. 2015): 202,599 faces, aligned and cropped to 178x218. Only the images or their zip are needed.

    Args:
        root: the folder of images or its zip, or a folder that holds either (`celeba/img_align_celeba`, Kaggle's layout);
            see `seesaw.data.sources.celeba_layouts.find_celeba`.
        split: all images, or a part by the partition file; without that file by number, as published.
        side: the square that is cut out, in pixels, before the resize: 178 is the whole width; 148, 140, 128 and 108 are
            seen in papers.
        center: its centre (x, y); null: the middle, (89, 109). Karras et al. 2018 cut 128 px about (89, 121).
        attribute: one of the 40 attributes becomes the label (0 or 1); needs list_attr_celeba. null: no labels.
        max_bad: see `ImageFiles`.
        common: see `seesaw.data.module.Common`.
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
        super().__init__(root, max_bad, **common)
        if split not in get_args(Split):
            raise ValueError(f"split must be one of all, train, valid, test, not {split!r}")
        if center is not None and len(center) != 2:
            raise ValueError(f"center must be null or two numbers, x and y, not {center}")
        self.name = "celeba" if split == "all" else f"celeba-{split}"
        self.split, self.attribute = split, attribute
        self.part = (split, attribute)
        where = None if center is None else (center[0], center[1])
        self.decoding = Decoding(self.resolution, self.channels, side=side, center=where)

    def find(self) -> Found:
        return find_celeba(self.root, self.split, self.attribute)
