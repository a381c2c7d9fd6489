"""What `conf/data/*.yaml` builds: each set is a subclass of `ImageData`; its constructor names what the user may set."""

from typing import Unpack

from seesaw.data.folder import Crop, check_options, folder
from seesaw.data.images import ImageSet
from seesaw.data.module import Common, ImageData
from seesaw.data.sources import Split, digits, fashion_mnist


class Digits(ImageData):
    """scikit-learn's handwritten digits: see `seesaw.data.sources.digits`."""

    def load(self) -> ImageSet:
        return digits(self.resolution, self.channels)


class FashionMNIST(ImageData):
    """Fashion-MNIST: see `seesaw.data.sources.fashion_mnist` for `root` and `split`."""

    def __init__(self, root: str | None = None, split: Split = "train", **common: Unpack[Common]) -> None:
        super().__init__(**common)
        if split not in ("train", "test"):
            raise ValueError(f"split must be one of train, test, not {split!r}")
        self.root, self.split = root, split

    def load(self) -> ImageSet:
        return fashion_mnist(self.resolution, self.channels, self.root, self.split, self.cache_dir)


class Folder(ImageData):
    """One's own images: see `seesaw.data.folder.folder` for `root`, `crop`, `background` and `max_bad`."""

    def __init__(
        self,
        root: str,
        crop: Crop = "center",
        background: str = "white",
        max_bad: float = 0.05,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(**common)
        check_options(crop, background, max_bad)
        self.root, self.crop, self.background, self.max_bad = root, crop, background, max_bad

    def load(self) -> ImageSet:
        return folder(
            self.root, self.resolution, self.channels, self.crop, self.background, self.max_bad, self.cache_dir
        )
