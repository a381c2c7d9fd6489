"""Penalties against closed forms and finite differences."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from seesaw.functional.penalties import gradient_norms, gradient_penalty, path_lengths, squared_gradient_norm


def test_squared_gradient_norm_of_a_linear_critic() -> None:
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 2, 2, dtype=torch.float64)
    expected = w.square().sum().expand(4)
    torch.testing.assert_close(squared_gradient_norm((x * w).sum((1, 2, 3)), [x]), expected)


def test_squared_gradient_norm_sums_over_scales() -> None:
    pyramid = [torch.randn(5, 1, s, s, requires_grad=True) for s in (2, 4)]
    logits = torch.stack([x.square().sum((1, 2, 3)) for x in pyramid]).sum(0)
    expected = torch.stack([(2 * x).square().sum((1, 2, 3)) for x in pyramid]).sum(0)
    torch.testing.assert_close(squared_gradient_norm(logits, pyramid), expected.detach())


def test_squared_gradient_norm_has_the_right_second_derivative() -> None:
    """d/dw ||w||^2 = 2 w, through the double backward."""
    x = torch.randn(3, 1, 2, 2, requires_grad=True)
    w = torch.randn(1, 2, 2, requires_grad=True)
    squared_gradient_norm((x * w).sum((1, 2, 3)), [x]).mean().backward()
    torch.testing.assert_close(w.grad, 2 * w.detach())


def test_path_lengths_of_a_linear_generator() -> None:
    """images = A w: J^T y = A^T y, exactly."""
    w = torch.randn(4, 6, dtype=torch.float64, requires_grad=True)
    A = torch.randn(3 * 8 * 8, 6, dtype=torch.float64)
    noise = torch.randn(4, 3, 8, 8, dtype=torch.float64)
    lengths = path_lengths((w @ A.T).reshape(4, 3, 8, 8), w, noise)
    expected = (noise.flatten(1) / 8 @ A).norm(dim=1)
    torch.testing.assert_close(lengths, expected)


def test_path_lengths_average_over_layers() -> None:
    w = torch.randn(4, 2, 6, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(4, 1, 4, 4, dtype=torch.float64)
    images = (w[:, 0].sum(1) + 2 * w[:, 1].sum(1))[:, None, None, None].expand(4, 1, 4, 4)
    y = noise.sum((1, 2, 3)) / 4
    expected = ((6 * y**2 + 6 * (2 * y) ** 2) / 2).sqrt()
    torch.testing.assert_close(path_lengths(images, w, noise), expected)


def critic(images: list[Tensor], coarse: Tensor, fine: Tensor, end: Tensor) -> Tensor:
    """A smooth net over two scales: a convolution each, the mean over pixels, a linear end."""
    features = [F.softplus(F.conv2d(x, w)).mean((2, 3)) for x, w in zip(images, (coarse, fine), strict=True)]
    return torch.tanh(torch.cat(features, 1)) @ end


PENALTIES: dict[str, Callable[[Tensor, list[Tensor]], Tensor]] = {
    "squared norm": squared_gradient_norm,
    "two-sided": lambda logits, images: gradient_penalty(gradient_norms(logits, images), 0.02),
    "one-sided": lambda logits, images: gradient_penalty(gradient_norms(logits, images), 0.02, one_sided=True),
}


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_differentiate_twice_to_the_weights(name: str) -> None:
    """Double backward and one more, against finite differences in float64."""
    torch.manual_seed(0)
    images = [torch.randn(3, 1, size, size, dtype=torch.float64) for size in (2, 3)]
    weights = [torch.randn(*shape, dtype=torch.float64) for shape in ((2, 1, 2, 2), (2, 1, 2, 2), (4,))]

    def penalty(*weights: Tensor) -> Tensor:
        leaves = [x.clone().requires_grad_() for x in images]
        return PENALTIES[name](critic(leaves, *weights), leaves)

    given = [w.requires_grad_() for w in weights]
    value = penalty(*given)
    assert value.shape == (3,)
    assert (value > 1e-4).all()  # a penalty of 0 would pass whatever its derivative
    assert torch.autograd.gradcheck(penalty, given)
    assert torch.autograd.gradgradcheck(penalty, given)


def test_bfloat16_gradients_are_summed_in_float32() -> None:
    """256 squares of 1 and one of 1/16: bfloat16 has 8 bits and would lose the last."""
    x = torch.ones(1, 1, 1, 257, dtype=torch.bfloat16, requires_grad=True)
    w = torch.ones(257, dtype=torch.bfloat16)
    w[-1] = 0.25
    logits = (x.flatten(1) * w).sum(1)
    assert squared_gradient_norm(logits, [x]).tolist() == [256.0625]
    (norm,) = gradient_norms((x.flatten(1) * w).sum(1), [x])
    assert norm.dtype == torch.float32
    assert norm.item() == pytest.approx(256.0625**0.5, rel=1e-7)


def test_of_several_logits_a_sample_the_gradient_is_that_of_their_mean() -> None:
    images = torch.randn(3, 2, 4, 4, dtype=torch.float64, requires_grad=True)
    maps = torch.randn(5, 2, 4, 4, dtype=torch.float64)
    logits = torch.einsum("bchw,kchw->bk", images, maps)
    slope = maps.mean(0).square().sum()
    torch.testing.assert_close(squared_gradient_norm(logits, [images]), slope.expand(3))
    logits = torch.einsum("bchw,kchw->bk", images, maps)
    torch.testing.assert_close(gradient_norms(logits, [images])[0], slope.sqrt().expand(3))
