"""D on reals that it was never trained on, and distances to them, in runs of the real configuration."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny_run import TINY, tiny_run
from toys import task

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.data.sources.digits import digits
from seesaw.functional.pixels import to_unit
from seesaw.gan.losses import RelativisticPairedD
from seesaw.training.callbacks.held_out import HeldOutAccuracy
from seesaw.training.loggers.csv_log import read_metrics
from seesaw.training.run_folder import read_status

OWN = ("logger", "kimg", "metrics.n")
RUN = [
    *(override for override in TINY if override.partition("=")[0] not in OWN),
    "logger=csv", "data.holdout=0.2", "precision=exact", "sample_kimg=1", "checkpoint_kimg=0.08",
]  # fmt: skip
SCORES = {f"eval/{score}_{part}" for score in ("accuracy", "logits") for part in ("train", "held_out")}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEESAW_CACHE", raising=False)
    return tmp_path


def weights(run: Path) -> dict[str, Any]:
    return dict(torch.load(run / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"])


def test_runs_log_both_parts_whatever_the_cadence_and_a_resumed_run_goes_on_exactly(here: Path) -> None:
    assert main([*RUN, "kimg=0.32", "metrics=none", "evaluate_kimg=0.08", "run_dir=often"]) == 0
    rows = [row for row in read_metrics(here / "often/metrics.csv") if "eval/accuracy_train" in row]
    assert [row["kimg"] for row in rows] == pytest.approx([0.08, 0.16, 0.24, 0.32])
    assert all(row.keys() >= SCORES for row in rows)
    assert main([*RUN, "metrics=none", "evaluate_kimg=1", "run_dir=once", "kimg=0.16"]) == 0
    assert main([*RUN, "metrics=none", "kimg=0.32", "evaluate_kimg=1", "run_dir=once", "resume=auto"]) == 0
    left, right = weights(here / "often"), weights(here / "once")
    assert all(torch.equal(left[name], right[name]) for name in left if isinstance(left[name], torch.Tensor))


@pytest.mark.parametrize(
    "options",
    [
        ("data.resolution=16x24",),
        ("data.labels=true", "penalty=[r1,auxiliary]", "model.D.condition=auxiliary", "balance=pac"),
    ],
)
def test_images_that_are_no_squares_and_a_d_with_class_logits_are_judged_too(
    here: Path, options: tuple[str, ...]
) -> None:
    assert main([*RUN, *options, "kimg=0.032", "metrics=none", "evaluate_kimg=0.032", "run_dir=run"]) == 0
    assert read_metrics(here / "run/metrics.csv")[-1].keys() >= SCORES


def test_another_share_on_resume_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*RUN, "kimg=0.064", "metrics=none", "run_dir=run"]) == 0
    assert main([*RUN, "metrics=none", "run_dir=run", "resume=auto", "kimg=1", "data.holdout=0.3"]) == 1
    assert "data.holdout: 0.2, now 0.3" in capsys.readouterr().err


def test_a_run_measures_against_what_it_holds_out_and_its_protocol_names_it(here: Path) -> None:
    assert main([*RUN, "kimg=0.064", "metrics.n=64", "metrics.against=held_out", "run_dir=run"]) == 0
    protocol = read_status(here / "run")["protocol"]
    assert "(holdout 0.2)" in protocol
    assert "(all but holdout 0.2)" not in protocol
    assert len(list((here / "cache/reference").glob("*.pt"))) == 2, "of the images held out, and of those for the gap"
    assert seesaw(["evaluate", "run"]) == 0
    assert seesaw(["evaluate", "run", "metrics.against=train"]) == 0
    rows = [json.loads(line) for line in (here / "run/evaluations.jsonl").read_text().splitlines()]
    assert ["(all but holdout 0.2)" in str(row["protocol"]) for row in rows] == [False, True]
    assert rows[0]["frechet_digits"] != rows[1]["frechet_digits"]
    assert len(list((here / "cache/reference").glob("*.pt"))) == 2, "the parts have statistics of their own"


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["metrics.against=held_out"], "no images are held out"),
        (["data.holdout=0.1"], "the model is used as it was trained"),
        (["metrics.against=test"], "train, held_out"),
    ],
)
def test_evaluate_refuses_what_the_run_did_not_hold_out(
    here: Path, capsys: pytest.CaptureFixture[str], overrides: list[str], words: str
) -> None:
    tiny_run(here / "run")
    assert seesaw(["evaluate", "run", *overrides]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


def test_scores_are_those_of_d_by_hand_and_leave_the_game_alone() -> None:
    gan, images = task("noisy"), digits(8).images[:50]
    gan.train()
    before = {name: value.clone() for name, value in gan.state_dict().items() if isinstance(value, torch.Tensor)}
    state = torch.get_rng_state()
    found = gan.score_reals(images, batch_size=16)
    assert torch.equal(state, torch.get_rng_state())
    assert gan.D.training
    assert all(torch.equal(value, gan.state_dict()[name]) for name, value in before.items())
    with torch.no_grad():
        logits = gan.D.eval()([to_unit(images, torch.float32)])
    assert found == pytest.approx({"logits": logits.mean().item(), "accuracy": (logits > 0).float().mean().item()})


def test_a_relative_loss_has_no_accuracy_of_reals_alone() -> None:
    assert RelativisticPairedD().scores(torch.ones(3)).keys() == {"logits"}


def test_without_a_held_out_part_nothing_is_judged() -> None:
    data: Any = type("Data", (), {"held_out": None})()
    assert HeldOutAccuracy(1, 1).scores(data, task("plain")) == {}
