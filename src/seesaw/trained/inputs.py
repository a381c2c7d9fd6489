"""What a caller of `seesaw.trained.trained.Trained` gives, checked and in the form that the networks take: one sentence for each
mistake."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.shared import sampling
from seesaw.trained.label import class_number

Labels = int | str | Sequence[int | str] | np.ndarray | Tensor
"""One class for all by number or name, or one for each sample."""


def at_least_one(n: Any, what: str = "n") -> int:
    """n, or a UserError where it is no whole number above 0."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
        raise UserError(f"{what} is {n!r}; it must be a whole number, at least 1")
    return int(n)


def seed_of(seed: Any) -> int:
    """The seed, or a UserError where it is no whole number: the latents of 1.0 would be others than those of 1."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer):
        raise UserError(f"seed is {seed!r}; it must be a whole number")
    return int(seed)


def psi_of(psi: Any) -> float | None:
    """The truncation, or None where there is none. UserError where it is no number from -2 to 2."""
    if psi is None:
        return None
    if isinstance(psi, bool) or not isinstance(psi, int | float | np.number) or not -2 <= psi <= 2:
        raise UserError(f"psi is {psi!r}; it must be from -2 to 2")
    return float(psi)


def latents_of(given: Any, name: str, dtype: torch.dtype = torch.float32) -> Tensor:
    """Latents as a tensor of this type; gradients flow through. UserError where they are no numbers."""
    if isinstance(given, np.ndarray) and given.dtype.kind in "fiu":
        given = torch.from_numpy(np.ascontiguousarray(given))
    if not isinstance(given, Tensor) or given.is_complex():
        raise UserError(f"{name} is {kind(given)}; give a tensor or an array of numbers")
    return given.to(dtype)


def labels_of(given: Any, n: int, classes: int, names: Sequence[str], seed: int = 0, option: str = "y=") -> Tensor | None:
    """Labels, int64 (n,) on the CPU; None of a model without labels.

    Args:
        given: see `Labels`; None: all classes equally likely, by `seed`.
        n: how many.
        classes: of the model; 0: it takes no labels.
        names: of the classes.
        seed: key of labels that are drawn.
        option: what the caller wrote before them, for the sentence.

    Raises:
        UserError: there is no such class, their number is another one, or the model takes no labels.
    """
    if isinstance(given, np.ndarray | np.generic) and given.dtype.kind in "iu":
        given = torch.as_tensor(given.astype(np.int64))
    elif isinstance(given, np.ndarray):
        given = given.tolist()
    if isinstance(given, Tensor):
        if given.is_floating_point() or given.is_complex() or given.dtype == torch.bool:
            raise UserError(f"{option.rstrip('=')} holds {given.dtype}; classes are whole numbers")
        given = int(given) if given.ndim == 0 else given
    elif isinstance(given, list | tuple):
        given = torch.tensor([class_number(one, classes, names, option) for one in given], dtype=torch.int64)
    elif given is not None:
        given = class_number(given, classes, names, option)
    return sampling.labels(n, classes, seed, given)


def device_of(device: torch.device | str | None) -> torch.device:
    """The device of that name; None: the GPU where there is one, else the CPU. UserError where there is no such device."""
    try:
        found = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.empty(0, device=found)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        raise UserError(f"device={device}: torch has no such device here; leave it out, or give cpu") from error
    return found


def kind(given: Any) -> str:
    """What was given, in words: `an array of str32`, `a list`."""
    if isinstance(given, np.ndarray):
        return f"an array of {given.dtype}"
    return f"a {type(given).__name__}"


def texts_of(given: Any, name: str, example: str) -> list[str]:
    """A list of texts. UserError where it is something else; one text alone would be taken for a list of letters."""
    if not isinstance(given, list | tuple) or not all(isinstance(one, str) for one in given):
        raise UserError(f"{name} is {given!r}; give a list of texts, such as [{example!r}]")
    return list(given)


def whole_number(given: Any, name: str) -> int | None:
    """A whole number, or None. UserError where it is something else."""
    if given is not None and (isinstance(given, bool) or not isinstance(given, int | np.integer)):
        raise UserError(f"{name} is {given!r}; give a whole number, or leave it out")
    return None if given is None else int(given)
