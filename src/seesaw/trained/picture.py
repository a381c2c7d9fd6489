"""Pictures of a trained model's samples, on a page, in a notebook and as a file."""

import base64
import html as markup
import io
from typing import Any

from PIL import Image
from torch import Tensor

from seesaw.training.pictures import COLUMNS, class_rows, sheet, visible
from seesaw.training.scatter import MOST


def how_many(trained: Any, n: int | None, chosen: Any) -> tuple[int, Any, int | None]:
    """Number, labels and columns of the grid that is drawn where no number is given: 64, of points 2,500, of a model with labels
    a row for each class.

    Args:
        trained: a `seesaw.trained.trained.Trained`.
        n: a number that is given.
        chosen: a class that is.
    """
    if n is None and chosen is None and trained.classes and not trained.points:
        rows = class_rows(trained.classes)
        return len(rows), rows, COLUMNS
    return (MOST if trained.points else 64) if n is None else n, chosen, None


def drawn(images: Tensor, columns: int | None, reals: Any) -> Image.Image:
    """The picture of samples as they are stored; see `seesaw.training.pictures.sheet`."""
    return as_picture(sheet(images, reals, columns))


def pil(image: Tensor) -> Image.Image:
    """A stored image (C, H, W) as a picture; see `seesaw.training.pictures.visible`."""
    return as_picture(visible(image[None])[0])


def as_picture(image: Tensor) -> Image.Image:
    """uint8 (1 or 3, H, W) or uint16 (1, H, W) as a picture."""
    pixels = image.cpu().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def png(picture: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def html(words: str, content: bytes) -> str:
    """A line of words above a PNG."""
    data = base64.b64encode(content).decode()
    return f'<div><code>{markup.escape(words)}</code><br><img src="data:image/png;base64,{data}"></div>'
