"""Whether what a set of any package has loaded is what its options promise."""

from torch import Tensor

from seesaw.data.images import ImageSet
from seesaw.errors import UserError
from seesaw.functional.resolution import Resolution, size_of


def checked_set(data: object, found: object, channels: int, resolution: Resolution) -> ImageSet:
    """What `load` of a data module gave, as it is.

    Args:
        data: the module, whose class an error names.
        found: what `load` returned.
        channels: the option data.channels.
        resolution: the option data.resolution; 1: points of the plane, whose shape is not looked at.

    Raises:
        UserError: it is no set, or its images have another shape.
    """
    where = f"data: {type(data).__module__}.{type(data).__qualname__}.load"
    if not isinstance(found, ImageSet):
        given = f"a tensor of shape {tuple(found.shape)}" if isinstance(found, Tensor) else f"a {type(found).__name__}"
        raise UserError(f"{where} returned {given}; expected is seesaw.data.images.ImageSet(images, name, y, classes)")
    if resolution != 1 and found.shape[1:] != (expected := (channels, *size_of(resolution))):
        shape, promised = ("x".join(map(str, size)) for size in (found.shape[1:], expected))
        raise UserError(
            f"{where} returned images of {shape}, and data.channels and data.resolution promise {promised}: bring them to that, "
            "such as by seesaw.data.images.brought_to"
        )
    return found
