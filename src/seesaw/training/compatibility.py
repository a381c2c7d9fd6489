"""Which loss fits which penalty and which discriminator. Mathematically invalid combinations raise an error; combinations
reported to fail in the literature give a warning. docs/losses.md shows the table with its sources."""

import warnings
from collections.abc import Callable
from typing import NamedTuple

from pytorch_lightning.utilities.rank_zero import rank_zero_only
from torch import nn

from seesaw.errors import Notice, UserError
from seesaw.functional.spectral import is_bounded
from seesaw.gan.losses import RelativisticPairedD, WassersteinD
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1, R2, ApproximateR1, ApproximateR2, AuxiliaryD, GradientPenalty, Penalty
from seesaw.gan.phases import Phase
from seesaw.gan.terms import Term
from seesaw.nets.layers.labels import ClassHead


class Game(NamedTuple):
    """What the table asks of a model: D's adversarial loss, the kinds of penalties whose weight is not 0, where they bound D's
    slope (`Penalty.bounds`), and what D is."""

    loss: type[Term] | None
    penalties: frozenset[type[Term]]
    bounds: frozenset[str]
    batch_norm: bool
    bounded: bool


class Misfit(NamedTuple):
    """One row of the table: where it holds, whether it is refused or noticed, and the sentence with what to choose instead."""

    holds: Callable[[Game], bool]
    refused: bool
    sentence: Callable[[Game], str]


def _without_norm(game: Game) -> str:
    return " with model.D.norm=none" if game.batch_norm else ""


def _has_r1_and_r2(game: Game) -> bool:
    """Whether both sides are penalised, each exactly or by a finite difference."""
    return all(game.penalties & {exact, difference} for exact, difference in ((R1, ApproximateR1), (R2, ApproximateR2)))


MISFITS = {
    "wasserstein without a constraint": Misfit(
        lambda g: g.loss is WassersteinD and not g.bounds - {"nowhere"} and not g.bounded,
        True,
        lambda g: (
            "loss=wasserstein has no least value unless D's slope is bounded (Arjovsky et al. 2017, eq. 2), and nothing bounds "
            f"it here: give penalty=wgan_gp{_without_norm(g)}, or model.D.spectral_norm=true{_without_norm(g)} where the model "
            "has it, or another loss such as loss=hinge"
        ),
    ),
    "wasserstein with slopes bounded at the data alone": Misfit(
        lambda g: g.loss is WassersteinD and "data" in g.bounds and "everywhere" not in g.bounds and not g.bounded,
        False,
        lambda g: (
            "loss=wasserstein with R1 or R2 leaves D's slope between reals and fakes free: it may converge (Mescheder et al. "
            f"2018), but its loss has no least value and measures no distance; penalty=wgan_gp{_without_norm(g)} bounds it"
        ),
    ),
    "gradient penalty through BatchNorm": Misfit(
        lambda g: GradientPenalty in g.penalties and g.batch_norm,
        True,
        lambda g: (
            "penalty=wgan_gp sets the norm of each sample's own gradient, and BatchNorm in D makes that a gradient of the whole "
            "batch (Gulrajani et al. 2017, section 4): give model.D.norm=none, where D has that option"
            + ("" if g.loss is WassersteinD else ", or penalty=r1")
        ),
    ),
    "relativistic pairs without R1 and R2": Misfit(
        lambda g: g.loss is RelativisticPairedD and "everywhere" not in g.bounds and not _has_r1_and_r2(g),
        False,
        lambda g: (
            "loss=rpgan was found to need both R1 and R2 (Huang et al. 2024, R3GAN, where it diverged with R1 alone): "
            "give penalty=r1_r2"
        ),
    ),
}


def game_of(D: nn.Module, phases: dict[str, Phase]) -> Game:
    """The game that the phases' terms and D's layers describe. A penalty whose weight is 0 does not count."""
    terms = [term for phase in phases.values() for term in phase.terms.values()]
    losses = [found[1] for phase in phases.values() if (found := phase.adversarial())]
    penalties = [t for t in terms if isinstance(t, Penalty) and t.player == "D" and t.strength != 0]
    return Game(
        loss=type(losses[0]) if losses else None,
        penalties=frozenset(type(t) for t in penalties),
        bounds=frozenset(t.bounds for t in penalties),
        batch_norm=any(isinstance(m, nn.modules.batchnorm._BatchNorm) for m in D.modules()),
        bounded=is_bounded(D),
    )


def misfits(game: Game) -> dict[str, Misfit]:
    """The rows of the table that hold, by their names."""
    return {name: row for name, row in MISFITS.items() if row.holds(game)}


def check_labels_used(model: GAN) -> None:
    """Raise UserError where G takes labels, and nothing holds it to them: a D that ships here sees none, or gives class logits
    that no term reads."""
    heads = [m for m in model.D.modules() if isinstance(m, ClassHead)]
    if not model.classes or not heads:
        return
    terms = [term for phase in model.phases.values() for term in phase.terms.values()]
    if not any(head.classes for head in heads):
        raise UserError(
            "G takes labels, and D takes none (model.D.classes is 0), so G would ignore them: leave model.G.classes and "
            "model.D.classes to data.labels=true"
        )
    if all(head.auxiliary for head in heads) and not any(isinstance(term, AuxiliaryD) for term in terms):
        raise UserError(
            "model.D.condition=auxiliary gives class logits that no term reads: give penalty=auxiliary, beside another one as "
            "penalty=[r1,auxiliary]; or model.D.condition=projection"
        )


def check_fits(model: object) -> None:
    """Raise UserError for what is refused, in one sentence; warn with a Notice for what is noticed. Knows GANs alone."""
    if not isinstance(model, GAN):
        return
    check_labels_used(model)
    game = game_of(model.D, model.phases)
    rows = misfits(game).values()
    for row in rows:
        if row.refused:
            raise UserError(row.sentence(game))
    for row in rows:
        rank_zero_only(warnings.warn)(row.sentence(game), Notice, stacklevel=2)
