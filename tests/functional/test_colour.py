"""Colours as one matrix a sample, against the paper's steps taken one by one, with SciPy's rotation, and Pillow."""

import numpy as np
import pytest
import torch
from photograph import photograph
from PIL import Image, ImageChops
from scipy.spatial.transform import Rotation

from seesaw.functional.colour import coloured


def one(value: float) -> torch.Tensor:
    return torch.tensor([value], dtype=torch.float64)


def only(**changed: float) -> list[torch.Tensor]:
    usual = {"brightness": 0.0, "contrast": 1.0, "flip": 0.0, "hue": 0.0, "saturation": 1.0} | changed
    return [one(v) > 0 if name == "flip" else one(v) for name, v in usual.items()]


CHANGES = [{"brightness": 0.3}, {"contrast": 1.7}, {"flip": 1.0}, {"hue": 2.1}, {"saturation": 0.2}]
ALL = {"brightness": -0.2, "contrast": 0.6, "flip": 1.0, "hue": -1.0, "saturation": 3.0}


@pytest.mark.parametrize("changed", [{}, *CHANGES, ALL], ids=str)
def test_it_equals_the_papers_steps_one_after_the_other(changed: dict[str, float]) -> None:
    image = photograph("flower", 12, 16).double()
    v = np.ones(3) / np.sqrt(3)
    x = image.numpy().reshape(3, -1) + changed.get("brightness", 0.0)
    x = x * changed.get("contrast", 1.0)
    if changed.get("flip"):
        x = x - 2 * np.outer(v, v) @ x
    x = Rotation.from_rotvec(changed.get("hue", 0.0) * v).as_matrix() @ x
    grey = np.outer(v, v) @ x
    x = grey + changed.get("saturation", 1.0) * (x - grey)
    found = coloured(image[None], *only(**changed))[0]
    assert found.numpy().reshape(3, -1) == pytest.approx(x)


def test_a_hue_of_a_third_of_a_turn_exchanges_the_channels() -> None:
    image = photograph("flower", 8, 8).double()[None]
    torch.testing.assert_close(coloured(image, *only(hue=2 * np.pi / 3)), image.roll(1, 1))


def test_a_luma_flip_of_a_grey_image_is_pillows_inversion() -> None:
    pixels = ((photograph("china", 16, 16)[:1] + 1) * 127.5).round()
    inverted = np.array(ImageChops.invert(Image.fromarray(pixels[0].numpy().astype(np.uint8))))
    found = coloured((pixels / 127.5 - 1)[None].double(), *only(flip=1.0, hue=1.0, saturation=0.0))
    assert ((found[0, 0] + 1) * 127.5).numpy() == pytest.approx(inverted.astype(float), abs=1e-4)


@pytest.mark.parametrize("channels", [2, 4, 5])
def test_other_numbers_of_channels_have_saturation_and_no_hue(channels: int) -> None:
    x = torch.randn(1, channels, 4, 4, dtype=torch.float64)
    torch.testing.assert_close(coloured(x, *only(hue=1.0)), x)
    mean = x.mean(1, keepdim=True)
    torch.testing.assert_close(coloured(x, *only(saturation=0.5)), mean + (x - mean) / 2)
    torch.testing.assert_close(coloured(x, *only(flip=1.0)), x - 2 * mean)
