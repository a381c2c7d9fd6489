"""Whether a set of samples repeats training images: figures, each with a committed limit, and a verdict.

The limits are those that `studies/certificates.py` tried on planted copies and on fresh reals; its figures are in
studies/results/certificates.json.
"""

import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from seesaw.functional.memorisation import likelihood_gap
from seesaw.functional.neighbours import authentic_share, nearest
from seesaw.metrics.duplicates import QUANTILE as DUPLICATE
from seesaw.metrics.generalisation import Generalisation, spread
from seesaw.metrics.reference import Reference

State = Literal["copies", "no sign of copies", "undecided"]

QUANTILE = 0.05
"""Share of reals that were not trained on that lie as near to a training image as a sample must to count as near."""

SIGMAS = 4.0
"""Standard errors by which a share must leave that of reals: 1 in 30,000 by chance, since several figures are asked."""

EXCESS = 0.05
"""Least excess of near samples over those of reals that is called copying: a set of less has no limit of its own here."""

C_T_LIMIT = -3.0
"""C_T at and below which samples copy: the authors' own reading of it, in standard errors."""

GAP_LIMIT = 3.0
"""Least depth below 0 of a likelihood gap that is called copying, in hundredths of a nat a dimension; see `gap_limit`."""

GAP_MOST = 2000
"""Samples and reals of each part of which the gap is taken."""

LEAST_REALS = 20
"""Reals that were not trained on, of which a quantile is known."""

FAR = 0.1
"""Share of samples within the manifold of the reals below which they are too bad for a statement that they do not copy."""


@dataclass(frozen=True)
class Certificate:
    """What is known of copying.

    Attributes:
        state: the verdict.
        sentences: why, and what cannot be told; the first is the reason.
        figures: values by name; absent where they cannot be had.
        order: the samples, those nearest to a training image first, int64 (m,).
        neighbour: the training image of each sample, int64 (m,).
        mirrored: bool (m,), whether it is nearest as its mirror image.
    """

    state: State
    sentences: list[str]
    figures: dict[str, float]
    order: Tensor = field(repr=False)
    neighbour: Tensor = field(repr=False)
    mirrored: Tensor = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """For JSON, without the tensors."""
        found = asdict(self)
        return {name: found[name] for name in ("state", "sentences", "figures")}


def certify(fakes: Tensor, training: Reference, mirror: Tensor | None, held_out: Reference | None) -> Certificate:
    """Judge samples.

    Args:
        fakes: features of the samples (m, d).
        training: of the reals that were trained on.
        mirror: features of these reals' mirror images, in their order; None: copies are looked for as they are alone.
        held_out: of reals that were not; None: a random half of the training reals stands for them, and copies of the other
            half alone are seen.
    """
    near = Nearness(training.features, mirror)
    ratio, neighbour, mirrored = near.of(fakes)
    figures, base = {}, 1.0
    if held_out is None:
        half = torch.randperm(len(training.features), generator=torch.Generator().manual_seed(0)).tensor_split(2)
        near = Nearness(training.features[half[0]], None if mirror is None else mirror[half[0]])
        theirs, ours = near.of(training.features[half[1]])[0], near.of(fakes)[0]
    else:
        theirs, ours = near.of(held_out.features)[0], ratio
    if len(theirs) >= LEAST_REALS:
        base = theirs.quantile(QUANTILE).item()
        figures |= {"near": (ours < base).double().mean().item(), "near_reals": (theirs < base).double().mean().item()}
        error = math.sqrt(QUANTILE * (1 - QUANTILE) * (1 / len(ours) + 1 / len(theirs)))
        figures["near_limit"] = QUANTILE + max(EXCESS, SIGMAS * error)
    found = nearest(fakes, training.features)
    figures["authentic"] = authentic_share(found.distance[:, 0], found.index[:, 0], training.balls[:, 0])
    few = min(len(fakes), len(training.features))
    own = nearest(fakes[:few]).distance[:, 0]
    figures["duplicates"] = (own < training.nearest_of(few).quantile(DUPLICATE)).double().mean().item()
    figures["precision"] = (nearest_ball(fakes, training)).double().mean().item()
    if held_out is not None:
        figures |= against_held_out(fakes, training, held_out)
    state, sentences = judge(figures, held_out is not None)
    return Certificate(state, sentences, figures, ratio.argsort(stable=True), neighbour, mirrored)


class Nearness:
    """How near features lie to training images, for the room that each of these has.

    Args:
        training: features (n, d).
        mirror: those of the mirror images, in the same order, or None.
    """

    def __init__(self, training: Tensor, mirror: Tensor | None) -> None:
        self.training, self.mirror = training, mirror
        self.room = nearest(training).distance[:, 0]

    def of(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Of features (m, d): the distance to the nearest training image or its mirror image, over the distance of that image
        to its own nearest other, float64 (m,); which image, int64 (m,); and whether it is the mirror image, bool (m,). 0 for
        an exact copy."""
        found = nearest(x, self.training)
        distance, index = found.distance[:, 0], found.index[:, 0]
        mirrored = torch.zeros(len(x), dtype=torch.bool)
        if self.mirror is not None:
            turned = nearest(x, self.mirror)
            mirrored = turned.distance[:, 0] < distance
            distance = torch.where(mirrored, turned.distance[:, 0], distance)
            index = torch.where(mirrored, turned.index[:, 0], index)
        return torch.where(distance > 0, distance / self.room[index], 0.0), index, mirrored


def nearest_ball(fakes: Tensor, training: Reference) -> Tensor:
    """Bool (m,): whether each sample lies within the ball of its nearest real's third neighbour. A lower bound of precision."""
    found = nearest(fakes, training.features)
    return found.distance[:, 0] <= training.balls[found.index[:, 0], 2]


def against_held_out(fakes: Tensor, training: Reference, held_out: Reference) -> dict[str, float]:
    """The figures that held-out reals allow."""
    own = nearest(held_out.features, training.features)
    sets = (fakes, training.features, held_out.features)
    gap = likelihood_gap(*(spread(x, GAP_MOST) for x in sets))
    return {
        "authentic_reals": authentic_share(own.distance[:, 0], own.index[:, 0], training.balls[:, 0]),
        "fld_gap": gap,
        "fld_limit": gap_limit(*(min(len(x), GAP_MOST) for x in sets), fakes.shape[1]),
        "c_t": Generalisation(0.1).copying(training, held_out, fakes),
    }


def gap_limit(samples: int, training: int, held_out: int, d: int) -> float:
    """The likelihood gap below which samples copy: four standard errors of the difference of two mean log-likelihoods of Gaussian
    points, less half a nat for each width, which is fitted to the training reals alone (Wilks 1938); at most -3."""
    error = 100 * math.sqrt((1 / training + 1 / held_out) / (2 * d))
    return -max(GAP_LIMIT, SIGMAS * error + 50 * samples / (training * d))


NO_SPLIT = (
    "no images were held out: one half of the training images stands for them, so copies are counted of the other half alone, "
    "and memorising that is spread over the whole set cannot be told from learning; train with data.holdout=0.1 for the whole "
    "report"
)


def judge(figures: dict[str, float], has_held_out: bool) -> tuple[State, list[str]]:
    """The verdict by the limits of this module, and its sentences."""
    share, limit = figures.get("near", 0.0), figures.get("near_limit", 1.0)
    near = (
        f"{share:.0%} of the samples lie as near to a training image as {QUANTILE:.0%} of reals do that were not trained on "
        f"(limit {limit:.0%})"
    )
    c_t, gap, depth = figures.get("c_t", 0.0), figures.get("fld_gap", 0.0), figures.get("fld_limit", 0.0)
    closer = f"C_T is {c_t:.1f} (limit {C_T_LIMIT:g}): samples lie nearer to training images than held-out ones do"
    likelier = f"the likelihood gap is {gap:.1f} (limit {depth:.1f}): samples explain training images better than held-out ones"
    asked = ((share > limit, near), (c_t <= C_T_LIMIT, closer), (gap < depth, likelier))
    reasons, notes = [sentence for holds, sentence in asked if holds], [] if has_held_out else [NO_SPLIT]
    if reasons:
        return "copies", [*reasons, *notes]
    if figures["precision"] < FAR:
        lost = f"{1 - figures['precision']:.0%} of the samples lie outside the training images' surroundings"
        return "undecided", [f"{lost}: they are too far from images of the set to show whether they copy", *notes]
    if "near" not in figures:
        return "undecided", [f"fewer than {LEAST_REALS} images were held out: too few to compare with", *notes]
    return "no sign of copies", [near, *notes]
