"""One's own images, in a folder or a zip."""

from pathlib import Path
from typing import Any, Literal, Unpack

from seesaw.data.module import Common
from seesaw.data.prepare.decode import MOST_CHANNELS, Crop, Decoding
from seesaw.data.prepare.tree import Found, labelled_by_folder, open_tree, warn_of_unread
from seesaw.data.sources.image_files import ImageFiles
from seesaw.errors import UserError
from seesaw.functional.resolution import Resolution, scales_of


class Folder(ImageFiles):
    """One's own images below `root`, a folder or a zip: jpg, png, webp, bmp, gif (its first frame), tiff, and the other suffixes
    of `seesaw.data.prepare.decode.SUFFIXES`.

    An image is turned upright by its EXIF tag, laid on the background where it is transparent (with 2 or 4 channels its alpha is
    kept), brought to `depth` bits and to its channels, cropped and resized bilinearly with antialiasing. Other numbers of
    channels come from .npy files and from TIFFs with a grey page for each channel. The names of the first-level sub-folders,
    sorted, become the labels if there are two or more and every image lies in one.

    Args:
        root: a folder, links to folders in it included, or a zip file; or the folder of a prepared set of any kind, which is
            opened without its files: they are neither looked for nor needed.
        crop: `center` takes the largest central rectangle of the resolution's shape, `random` one at a place that the file's
            name decides, once for all epochs; `none` squeezes the whole image into that shape.
        background: a colour as CSS writes it (`white`, `#202020`), seen where an image is transparent.
        depth: bits of a pixel and channel, 8 or 16: grey pictures, .npy files and pages of TIFFs then keep all of theirs.
        max_bad: see `ImageFiles`.
        common: see `seesaw.data.module.Common`; channels from 1 to 8.
    """

    def __init__(
        self,
        root: str,
        crop: Crop = "center",
        background: str = "white",
        max_bad: float = 0.05,
        depth: Literal[8, 16] = 8,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(root, max_bad, **common)
        self.name = f"folder {Path(root).expanduser().absolute().stem}"
        self.decoding = Decoding(self.resolution, self.channels, crop, background, depth=depth)
        self.depth = depth

    def check_shape(self, resolution: Resolution, channels: int) -> None:
        scales_of(resolution)
        if not 1 <= channels <= MOST_CHANNELS:
            raise ValueError(f"channels must be from 1 to {MOST_CHANNELS}, not {channels}")

    def find(self) -> Found:
        tree = open_tree(Path(self.root))
        warn_of_unread(tree)
        return labelled_by_folder(tree)

    def check_prepared(self, index: dict[str, Any]) -> None:
        for option in ("resolution", "channels", "crop", "background", "depth"):
            there, asked = ({"depth": 8} | index["decoding"]).get(option), getattr(self.decoding, option)
            if there != asked:
                raise UserError(
                    f"data.root={self.root!r} was prepared with {option}={there}, not {asked}: give data.{option}={there}, or "
                    "the folder or zip of the images"
                )
