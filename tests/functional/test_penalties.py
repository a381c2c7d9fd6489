"""Penalties against closed forms and finite differences."""

import torch

from seesaw.functional.penalties import path_lengths, squared_gradient_norm


def test_squared_gradient_norm_of_a_linear_critic() -> None:
    x = torch.randn(4, 3, 2, 2, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 2, 2, dtype=torch.float64)
    expected = w.square().sum().float().expand(4)
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
    expected = (noise.flatten(1) / 8 @ A).norm(dim=1).float()
    torch.testing.assert_close(lengths, expected)


def test_path_lengths_average_over_layers() -> None:
    w = torch.randn(4, 2, 6, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(4, 1, 4, 4, dtype=torch.float64)
    images = (w[:, 0].sum(1) + 2 * w[:, 1].sum(1))[:, None, None, None].expand(4, 1, 4, 4)
    y = noise.sum((1, 2, 3)) / 4
    expected = ((6 * y**2 + 6 * (2 * y) ** 2) / 2).sqrt().float()
    torch.testing.assert_close(path_lengths(images, w, noise), expected)
