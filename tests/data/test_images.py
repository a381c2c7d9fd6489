import hashlib

import numpy as np
import pytest
import torch
from PIL import Image

from seesaw.data import images as images_module
from seesaw.data.images import ImageSet, free_memory, require_memory, resize, to_channels
from seesaw.types import UserError


def random_images(*shape: int) -> torch.Tensor:
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_gather_takes_the_images_and_labels_that_are_asked_for() -> None:
    images, y = random_images(5, 3, 8, 8), torch.tensor([0, 1, 2, 1, 0])
    reals = ImageSet(images, "five", y, 3)
    indices = torch.tensor([4, 1, 1])
    assert len(reals) == 5
    assert torch.equal(reals.gather(indices), torch.stack([images[4], images[1], images[1]]))
    assert reals.labels(indices).tolist() == [0, 1, 1]
    assert ImageSet(images, "five").labels(indices) is None
    reals.gather(indices).zero_()
    assert reals.images.any(), "gather must give a copy"


def test_identity_is_the_hash_of_shape_and_pixels() -> None:
    images = random_images(4, 3, 8, 8)
    expected = hashlib.sha256(b"(4, 3, 8, 8)" + images.numpy().tobytes()).hexdigest()[:16]
    assert ImageSet(images, "a").identity == expected
    assert ImageSet(images.clone(), "another name").identity == expected
    assert ImageSet(images.view(12, 1, 8, 8), "a").identity != expected
    changed = images.clone()
    changed[3, 2, 7, 7] ^= 1
    assert ImageSet(changed, "a").identity != expected
    strided = images.transpose(2, 3).contiguous().transpose(2, 3)
    assert ImageSet(strided, "a").identity == expected, "the layout in memory must not matter"


def test_description_names_set_and_shape() -> None:
    assert ImageSet(random_images(4, 3, 8, 8), "four").description == "four 4x3x8x8"


@pytest.mark.parametrize(
    ("height", "width", "size"), [(178, 178, 64), (96, 64, 16), (8, 8, 32), (28, 28, 32), (7, 5, 8)]
)
def test_resize_agrees_with_pillow(height: int, width: int, size: int) -> None:
    images = random_images(3, 3, height, width)
    expected = np.stack(
        [
            np.asarray(Image.fromarray(image.permute(1, 2, 0).numpy()).resize((size, size), Image.Resampling.BILINEAR))
            for image in images
        ]
    ).transpose(0, 3, 1, 2)
    found = resize(images, size, chunk=2)
    assert found.dtype == torch.uint8
    assert np.abs(found.numpy().astype(int) - expected.astype(int)).max() <= 1  # Pillow rounds after each axis


def test_resize_rounds_instead_of_cutting_off() -> None:
    image = (
        torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8)[None, None].repeat_interleave(4, 2).repeat_interleave(4, 3)
    )
    assert resize(image, 2).flatten().tolist() != [0, 0, 0, 0]
    flat = torch.full((1, 1, 28, 28), 255, dtype=torch.uint8)
    assert (resize(flat, 32) == 255).all()
    assert resize(flat, 28) is flat


def test_channels_agree_with_pillow() -> None:
    colour = random_images(2, 3, 16, 16)
    grey = to_channels(colour, 1)
    expected = np.stack([np.asarray(Image.fromarray(x.permute(1, 2, 0).numpy()).convert("L")) for x in colour])
    assert grey.shape == (2, 1, 16, 16)
    assert np.abs(grey[:, 0].numpy().astype(int) - expected.astype(int)).max() <= 1
    back = to_channels(grey, 3)
    assert back.shape == (2, 3, 16, 16)
    assert all(torch.equal(back[:, c : c + 1], grey) for c in range(3))
    assert to_channels(colour, 3) is colour
    with pytest.raises(ValueError, match="from 3 to 2"):
        to_channels(colour, 2)


def test_sets_larger_than_half_of_the_free_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 2**26 < free_memory() < 2**46
    monkeypatch.setattr(images_module, "free_memory", lambda: 2 * 100 * 3 * 64 * 64)
    require_memory(100, 3, 64)
    with pytest.raises(UserError, match=r"101 images of 3x64x64 .* data\.resolution"):
        require_memory(101, 3, 64)
