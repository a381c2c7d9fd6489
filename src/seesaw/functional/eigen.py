"""Eigenvalues of symmetric matrices, also where LAPACK's divide and conquer gives up.

MKL's fails on some processors where many eigenvalues are equal, as in the covariance of a few images with mostly zeros.
numpy has a LAPACK of its own, so its result is taken then.
"""

import numpy as np
import torch
from torch import Tensor


def eigh(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Symmetric matrices (…, d, d) to their eigenvalues (…, d), rising, and their eigenvectors as columns (…, d, d).

    Raises:
        torch.linalg.LinAlgError: a matrix is not finite, or needs a gradient, which numpy does not give.
    """
    try:
        values, vectors = torch.linalg.eigh(matrix)
    except torch.linalg.LinAlgError:
        if matrix.requires_grad or not matrix.isfinite().all():
            raise
        values, vectors = (torch.from_numpy(found).to(matrix) for found in np.linalg.eigh(matrix.cpu().numpy()))
    return values, vectors


def eigvalsh(matrix: Tensor) -> Tensor:
    """The eigenvalues alone, (…, d), rising; see `eigh`."""
    try:
        values: Tensor = torch.linalg.eigvalsh(matrix)
    except torch.linalg.LinAlgError:
        values, _ = eigh(matrix)
    return values
