"""FastGAN's light generator: shapes, which scale excites which, the gate by hand, and what the sphere does to z."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from seesaw.nets.fastgan import Excitation, GatedLinearUnit, Generator


@pytest.mark.parametrize(
    ("resolution", "skip", "excited"),
    [(32, 4, [(64, 16), (32, 8)]), (64, 16, [(64, 8)]), ("24x40", 4, [(64, 16), (32, 8)]), (32, 16, [])],
)  # fmt: skip
def test_shapes_and_excitations(resolution: int | str, skip: int, excited: list[tuple[int, int]]) -> None:
    """Width 4: 64, 32, 16, 8, 8 channels from the base grid on."""
    generator = Generator(resolution, 3, z_dim=5, width=4, skip=skip)  # type: ignore[arg-type]
    (images,) = generator(torch.randn(2, 5)).images
    height, width = (int(side) for side in str(resolution).split("x")) if "x" in str(resolution) else (resolution,) * 2
    assert images.shape == (2, 3, height, width)
    assert images.abs().max() < 1
    assert [(e.squeeze.in_channels, e.squeeze.out_channels) for e in generator.excitations] == excited  # type: ignore[union-attr]


def test_the_excitation_is_the_papers_formula() -> None:
    coarse, fine = torch.randn(2, 6, 8, 8), torch.randn(2, 3, 32, 32)
    excite = Excitation(6, 3)
    pooled = coarse.view(2, 6, 4, 2, 4, 2).mean((3, 5))
    hidden = F.silu(torch.einsum("bcij,ocij->bo", pooled, excite.squeeze.weight))
    gate = torch.sigmoid(hidden @ excite.gate.weight[:, :, 0, 0].T)
    torch.testing.assert_close(excite(coarse, fine), fine * gate[:, :, None, None])


def test_the_gate_is_torchs_and_its_gradient_lies_as_its_input_does() -> None:
    """A gradient that lies otherwise sends BatchNorm's backward pass before it a slow way."""
    gradients = []
    for gate in (GatedLinearUnit(), nn.GLU(1)):
        x = torch.randn(2, 6, 8, 8, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
        y = gate(x.requires_grad_())
        gradients.append(torch.autograd.grad((y * y).sum(), x)[0])
    torch.testing.assert_close(*gradients)
    assert gradients[0].is_contiguous(memory_format=torch.channels_last)


def test_only_the_direction_of_z_counts() -> None:
    generator = Generator(16, 1, z_dim=5, width=2).eval()
    z = torch.randn(3, 5)
    torch.testing.assert_close(generator(7 * z).images[0], generator(z).images[0])


def test_every_convolution_is_normalised_spectrally() -> None:
    generator = Generator(32, 1, z_dim=5, width=2, skip=4).train()
    for _ in range(30):
        generator(torch.randn(2, 5))
    layers = [m for m in generator.modules() if isinstance(m, nn.Conv2d)]
    assert len(layers) == 3 + 2 * 2 + 1
    for layer in layers:
        largest = torch.linalg.matrix_norm(layer.weight.flatten(1), 2).item()
        assert largest == pytest.approx(1, abs=0.05)


def test_wrong_options_are_refused() -> None:
    with pytest.raises(ValueError, match="skip is 3; it must be 4, 8 or 16"):
        Generator(32, 1, skip=3)  # type: ignore[arg-type]
