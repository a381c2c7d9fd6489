"""The table of what fits what: as docs/losses.md shows it, and as a run meets it."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from seesaw.errors import Notice, UserError
from seesaw.gan.balance import GapAware, SkipD
from seesaw.gan.penalties import PathLength
from seesaw.gan.phases import Phase, build_phases
from seesaw.training.build import build, construct
from seesaw.training.compatibility import check_fits, game_of, misfits

ROOT = Path(__file__).parents[2]
LOSSES = sorted(file.stem for file in (ROOT / "conf" / "loss").glob("*.yaml"))
PENALTIES = sorted(file.stem for file in (ROOT / "conf" / "penalty").glob("*.yaml") if file.stem != "path_length")
"""Of D. The path length is G's, and stands in no row."""
Composed = Callable[..., dict[str, Any]]


def table(first: str) -> dict[tuple[str, str], str]:
    """(row, column) -> cell of the table in docs/losses.md whose head begins with `first` and `none`."""
    lines = (ROOT / "docs" / "losses.md").read_text().splitlines()
    start = next(k for k, line in enumerate(lines) if line.startswith(f"| {first} | none |"))
    rows = []
    for line in lines[start:]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip().strip("`") for cell in line.strip("|").split("|")])
    head, body = rows[0], rows[2:]
    return {(row[0], column): cell for row in body for column, cell in zip(head[1:], row[1:], strict=True)}


def found(D: Any, loss: dict[str, Any], penalties: dict[str, Any]) -> dict[str, Any]:
    """The rows of the code's table that hold."""
    return dict(misfits(game_of(D, build_phases(loss, penalties))))


def verdict(D: Any, loss: dict[str, Any], penalties: dict[str, Any]) -> str:
    rows = found(D, loss, penalties).values()
    return "no" if any(row.refused for row in rows) else "notice" if rows else "yes"


def discriminator(composed: Composed, *overrides: str) -> Any:
    return construct(composed(*overrides)["model"]["D"], "model.D")


def parts(composed: Composed, model: str) -> tuple[Any, dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """D of the model, every loss and every penalty of D, from their own files."""
    losses = {loss: construct(composed(f"model={model}", f"loss={loss}")["loss"], "loss") for loss in LOSSES}
    chosen = {penalty: composed(f"model={model}", f"penalty={penalty}")["penalty"] for penalty in PENALTIES}
    penalties = {penalty: construct(node, "penalty") for penalty, node in chosen.items()}
    return discriminator(composed, f"model={model}"), losses, penalties


@pytest.fixture(scope="module")
def mlp(composed_once: Composed) -> Any:
    return parts(composed_once, "mlp")


@pytest.fixture(scope="module")
def dcgan(composed_once: Composed) -> Any:
    """Its D has BatchNorm."""
    return parts(composed_once, "dcgan_small")


def test_the_documents_table_agrees_with_the_code(mlp: Any, composed: Composed) -> None:
    D, losses, penalties = mlp
    normed = discriminator(composed, "model=mlp", "model.D.spectral_norm=true")
    cells = {(loss, p): verdict(D, losses[loss], penalties[p]) for loss in LOSSES for p in PENALTIES}
    cells |= {(loss, "spectral_norm"): verdict(normed, losses[loss], {}) for loss in LOSSES}
    assert cells == table("loss")
    for model in ("progan", "msggan"):
        bound = discriminator(composed, f"model={model}_small", "model.D.spectral_norm=true")
        assert {loss: verdict(bound, losses[loss], {}) for loss in LOSSES} == {
            loss: cells[loss, "spectral_norm"] for loss in LOSSES
        }


def test_a_penalty_of_the_generator_changes_no_cell(mlp: Any) -> None:
    D, losses, penalties = mlp
    length = {"path_length": PathLength()}
    for loss in losses.values():
        assert verdict(D, loss, length) == verdict(D, loss, {})
        assert verdict(D, loss, penalties["r1"] | length) == verdict(D, loss, penalties["r1"])


def test_a_lazy_penalty_counts_as_one_of_every_batch(mlp: Any, composed: Composed) -> None:
    D, losses, _ = mlp
    lazy = construct(composed("penalty=wgan_gp", "penalty.wgan_gp.interval=4", "model=mlp")["penalty"], "penalty")
    assert verdict(D, losses["wasserstein"], lazy) == "yes"


def test_the_documents_table_for_batch_norm_agrees_with_the_code(dcgan: Any) -> None:
    D, losses, penalties = dcgan
    shown = table("D with BatchNorm")
    for loss in LOSSES:
        row = loss if (loss, "none") in shown else "any other loss"
        assert {p: shown[row, p] for p in PENALTIES} == {p: verdict(D, losses[loss], penalties[p]) for p in PENALTIES}
    with pytest.raises(ValueError, match="spectral_norm takes norm=none"):
        type(D)(16, 1, spectral_norm=True)
    assert {cell for (_, column), cell in shown.items() if column == "spectral_norm"} == {"no"}


def test_every_row_of_the_code_stands_in_a_cell(mlp: Any, dcgan: Any) -> None:
    """Each misfit is met somewhere: none is dead."""
    from seesaw.training.compatibility import MISFITS

    met = set()
    for D, losses, penalties in (mlp, dcgan):
        for loss in losses.values():
            for terms in penalties.values():
                met |= set(found(D, loss, terms))
    assert met == set(MISFITS)


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("model=mlp loss=wasserstein", r"has no least value .* give penalty=wgan_gp, or model\.D\.spectral_norm=true"),
        ("model=mlp loss=wasserstein penalty=r1 penalty.r1.gamma=0", "has no least value"),
        (
            "model=dcgan loss=wasserstein",
            r"give penalty=wgan_gp with model\.D\.norm=none, or model\.D\.spectral_norm=true",
        ),
        ("model=dcgan loss=wasserstein penalty=wgan_gp", r"each sample's own gradient.*: give model\.D\.norm=none"),
        ("model=dcgan penalty=wgan_lp", r"give model\.D\.norm=none"),
    ],
)
def test_an_invalid_combination_is_refused_in_a_sentence(overrides: str, sentence: str, composed: Composed) -> None:
    with pytest.raises(UserError, match=sentence):
        check_fits(build(composed(*overrides.split(), "data.resolution=16"))[0])


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("model=mlp loss=rpgan", "need both R1 and R2"),
        ("model=mlp loss=rpgan penalty=r1", "give penalty=r1_r2"),
        ("model=mlp loss=wasserstein penalty=r1_r2", "it may converge"),
    ],
)
def test_a_combination_that_goes_badly_gives_a_warning(overrides: str, sentence: str, composed: Composed) -> None:
    with pytest.warns(Notice, match=sentence):
        check_fits(build(composed(*overrides.split(), "data.resolution=16"))[0])


@pytest.mark.parametrize(
    "overrides",
    [
        "model=dcgan balance=ttur",
        "model=dcgan balance=skip_d",
        "model=msggan_small balance=ttur",
        "model=msggan_small balance=skip_d",
        "model=progan_small",
        "model=mlp_points data=gaussians_ring",
        "model=dcgan_small",
        "model=dcgan loss=wasserstein penalty=wgan_gp model.D.norm=none",
        "model=dcgan loss=wasserstein model.D.norm=none model.D.spectral_norm=true",
        "model=dcgan loss=rpgan penalty=r1_r2",
    ],
)
def test_models_as_they_are_and_what_the_sentences_advise_fit(overrides: str, composed: Composed) -> None:
    small = [] if "points" in overrides else ["data.resolution=16"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", Notice)
        gan, _ = build(composed(*overrides.split(), *small))
        check_fits(gan)
    assert misfits(game_of(gan.D, gan.phases)) == {}


@pytest.mark.parametrize("loss", LOSSES)
def test_the_gates_read_each_losss_equilibrium(loss: str, composed: Composed) -> None:
    """At the equilibrium D has no advantage and its learning rate stays; half the loss is an advantage of 1/2."""
    term = construct(composed(f"loss={loss}")["loss"], "loss")["d"]
    phases = {"D": Phase("D", "D", {"adversarial": term})}
    gate, rate = SkipD(half_life=1e-9), GapAware(decay=0.0)
    gate.bind(phases)
    if loss == "wasserstein":
        gate.observe({"D/adversarial": -50.0, "D/accuracy": 0.75}, 8)
        assert gate.advantage == pytest.approx(0.5)
        with pytest.raises(ValueError, match="has no scale"):
            rate.bind(phases)
        return
    rate.bind(phases)
    for part, advantage, scale in ((1.0, 0.0, 1.0), (0.5, 0.5, rate.h_min), (2.0, -1.0, rate.f_max)):
        for balance in (gate, rate):
            balance.observe({"D/adversarial": part * term.equilibrium, "D/accuracy": 0.9}, 8)
        assert gate.advantage == pytest.approx(advantage)
        assert rate.scale("D") == pytest.approx(scale)
