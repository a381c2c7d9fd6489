"""Eigenvalues of symmetric matrices: the second way gives what the first gives, and is taken where the first one fails."""

from collections.abc import Callable
from typing import Any

import pytest
import torch

from seesaw.functional.distances import frechet_distance, moments
from seesaw.functional.eigen import eigh, eigvalsh


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> None:
    """torch's LAPACK gives up, as MKL's does on some processors for the matrices below."""

    def fail(*_: Any, **__: Any) -> Any:
        raise torch.linalg.LinAlgError("linalg.eigh: The algorithm failed to converge")

    monkeypatch.setattr(torch.linalg, "eigh", fail)
    monkeypatch.setattr(torch.linalg, "eigvalsh", fail)


def few_images() -> torch.Tensor:
    """(10, 1280) features of which nine tenths are 0 for every image."""
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(10, 1280, generator=generator, dtype=torch.float64)
    return x * (torch.rand(1280, generator=generator) < 0.1)


def check(matrix: torch.Tensor) -> None:
    values, vectors = eigh(matrix)
    torch.testing.assert_close(vectors * values @ vectors.T, matrix, atol=1e-10, rtol=1e-10)
    torch.testing.assert_close(vectors.T @ vectors, torch.eye(len(matrix)).to(matrix), atol=1e-10, rtol=0)
    torch.testing.assert_close(eigvalsh(matrix), values, atol=1e-10, rtol=1e-10)


def test_a_covariance_of_few_images_has_eigenvalues() -> None:
    check(moments(few_images())[1])


@pytest.mark.usefixtures("failing")
def test_where_the_first_way_fails_the_second_gives_the_same() -> None:
    check(moments(few_images())[1])
    x, y = few_images(), few_images().flip(1)
    mean, cov = moments(x)
    assert frechet_distance(mean, cov, *moments(x)) == pytest.approx(0, abs=1e-8)
    apart = (mean - moments(y)[0]).square().sum().item() + cov.trace().item() + moments(y)[1].trace().item()
    assert 0.5 * apart < frechet_distance(mean, cov, *moments(y)) <= apart * (1 + 1e-9)


@pytest.mark.usefixtures("failing")
@pytest.mark.parametrize("way", [eigh, eigvalsh])
def test_what_has_no_eigenvalues_is_an_error(way: Callable[[torch.Tensor], Any]) -> None:
    for matrix in (torch.full((2, 2), torch.nan), torch.eye(2, requires_grad=True)):
        with pytest.raises(torch.linalg.LinAlgError):
            way(matrix)
