"""Directions against numpy's and scikit-learn's decompositions."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch import Tensor

from seesaw.functional.directions import closed_form, from_activations, principal


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def same_lines(found: Tensor, expected: np.ndarray) -> None:
    """Directions are equal up to their signs."""
    cosines = np.abs((found.double().numpy() * expected).sum(1))
    assert np.allclose(cosines, 1, atol=1e-5), cosines


def test_the_closed_form_is_numpys_singular_value_decomposition_of_the_stacked_weights() -> None:
    weights = [drawn(9, 7, seed=1), 3 * drawn(12, 7, seed=2), drawn(4, 7, seed=3)]
    _, s, vh = np.linalg.svd(np.concatenate([w.double().numpy() for w in weights]))
    found, values = closed_form(weights, 4)
    same_lines(found, vh[:4])
    assert np.allclose(values, s[:4] ** 2, rtol=1e-5)


def test_no_direction_of_length_one_changes_the_layers_more_than_the_first() -> None:
    weights = [drawn(30, 6, seed=4)]
    (first,), (value,) = closed_form(weights, 1)
    others = torch.nn.functional.normalize(drawn(5000, 6, seed=5), dim=1)
    changes = (others @ weights[0].T).square().sum(1)
    assert (weights[0] @ first).square().sum().item() == pytest.approx(float(value), rel=1e-5)
    assert 0.9 * value < changes.max() <= value * (1 + 1e-5)


def test_principal_components_are_those_of_scikit_learn() -> None:
    x = drawn(300, 8, seed=6) @ drawn(8, 8, seed=7) + 5
    expected = PCA(3).fit(x.double().numpy())
    found, variances = principal(x, 3)
    same_lines(found, expected.components_)
    assert np.allclose(variances, expected.explained_variance_, rtol=1e-4)


@pytest.mark.parametrize("features", [40, 900])
def test_of_a_linear_layer_they_are_its_right_singular_vectors(features: int) -> None:
    """GANSpace's regression then inverts the layer: u_k is proportional to v_k of W = U S V^T, for white latents."""
    weight = drawn(features, 6, seed=8) @ torch.diag(torch.tensor([8.0, 5.0, 3.0, 2.0, 1.0, 0.5]))
    z = drawn(500, 6, seed=9).double()
    white = ((z - z.mean(0)) @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(z.T))).T).float()
    found, variances = from_activations(white, white @ weight.T + 4, 3)
    _, s, vh = np.linalg.svd(weight.double().numpy())
    same_lines(found, vh[:3])
    assert np.allclose(variances, s[:3] ** 2, rtol=1e-3)


def test_both_gram_matrices_give_the_same_directions_of_a_layer_that_is_not_linear() -> None:
    z = drawn(60, 5, seed=10)
    activations = torch.relu(z @ drawn(5, 50, seed=11))
    wide = torch.cat([activations, torch.zeros(60, 100)], 1)  # 150 features of 60 latents: the other branch
    (a, va), (b, vb) = from_activations(z, activations, 3), from_activations(z, wide, 3)
    same_lines(a, b.double().numpy())
    torch.testing.assert_close(va, vb, rtol=1e-4, atol=1e-4)
    scores = PCA(3).fit_transform(activations.double().numpy())
    expected = np.linalg.lstsq(scores, (z - z.mean(0)).double().numpy(), rcond=None)[0]
    same_lines(a, expected / np.linalg.norm(expected, axis=1, keepdims=True))
