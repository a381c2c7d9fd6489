"""Real runs, tracked offline and read back: sections, directions, best values, captions, names, groups and tags."""

import csv
from pathlib import Path

import pytest
import wandb
from offline_wandb import OfflineRun, read_run

from seesaw.cli.train import main
from seesaw.training.loggers.naming import configuration_name, run_name

SMALL = (
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "batch_size=16", "metrics.n=40", "kimg=0.128",
    "log_kimg=0.032", "evaluate_kimg=0.032", "sample_kimg=0.064", "trainer=cpu", "balance=skip_d", "penalty=r1",
    "schedule=cosine",
)  # fmt: skip


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, OfflineRun]]:
    """Two seeds, and another learning rate."""
    root = tmp_path_factory.mktemp("runs")
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        patch.setenv("WANDB_MODE", "offline")
        for name, more in (("one", ["seed=1"]), ("two", ["seed=2"]), ("other", ["seed=1", "optimizer.G.lr=1e-3"])):
            assert main([*SMALL, *more, f"run_dir={name}"]) == 0
            found[name] = (root / name, read_run(root / name))
    wandb.teardown()
    return found


def test_everything_logged_has_one_of_five_sections(runs: dict[str, tuple[Path, OfflineRun]]) -> None:
    folder, run = runs["one"]
    keys = {key for row in run.history for key in row if not key.startswith("_")}
    sections = {key.partition("/")[0] for key in keys - {"kimg"}}
    assert sections == {"train", "eval", "balance", "samples", "monitor"}
    with open(folder / "metrics.csv") as file:
        columns = set(next(csv.reader(file))) - {"images"}
    assert columns <= keys


def test_summary_follows_the_direction_of_each_metric(runs: dict[str, tuple[Path, OfflineRun]]) -> None:
    _, run = runs["one"]
    assert run.axes["*"] == run.axes["eval/frechet_digits"] == "kimg"
    assert run.summaries["eval/frechet_digits"] == run.summaries["eval/drift"] == "min"
    assert run.summaries["eval/valid_modes_digits"] == "max"


def test_best_is_in_the_summary_from_the_first_evaluation_on(runs: dict[str, tuple[Path, OfflineRun]]) -> None:
    folder, run = runs["one"]
    with open(folder / "metrics.csv") as file:
        measured = [float(row["eval/frechet_digits"]) for row in csv.DictReader(file) if row["eval/frechet_digits"]]
    bests = [values["best/frechet_digits"] for _, values in run.changes if "best/frechet_digits" in values]
    assert len(measured) == 4
    assert bests[0] == pytest.approx(measured[0], rel=1e-6)
    assert bests == sorted(bests, reverse=True)
    assert run.summary["best/frechet_digits"] == pytest.approx(min(measured), rel=1e-6)
    kimgs = [kimg for kimg, values in run.changes if "best/frechet_digits" in values]
    assert kimgs[0] < 0.064


def test_captions_state_kimg_and_the_kind_of_weights(runs: dict[str, tuple[Path, OfflineRun]]) -> None:
    _, run = runs["one"]
    assert run.captions["samples/ema"] == ["0 kimg, EMA", "0.064 kimg, EMA", "0.128 kimg, EMA"]
    assert run.captions["samples/raw"] == ["0 kimg, raw", "0.064 kimg, raw", "0.128 kimg, raw"]


def test_tags_name_choices_and_seed(runs: dict[str, tuple[Path, OfflineRun]]) -> None:
    tags = [
        "model=mlp",
        "data=digits",
        "balance=skip_d",
        "loss=non_saturating",
        "penalty=r1",
        "schedule=cosine",
        "seed=2",
    ]
    assert set(runs["two"][1].facts["tags"]) == set(tags)


def test_runs_that_differ_in_their_seed_alone_are_one_group(runs: dict[str, tuple[Path, OfflineRun]]) -> None:
    groups = {name: run.facts["group"] for name, (_, run) in runs.items()}
    assert groups["one"] == groups["two"] != groups["other"]
    assert groups["one"].startswith("mlp-digits-non_saturating-r1-skip_d-")
    assert all(run.config["configuration"] == groups[name] for name, (_, run) in runs.items())


def test_a_name_holds_what_was_overridden(runs: dict[str, tuple[Path, OfflineRun]]) -> None:
    name = runs["other"][1].facts["name"]
    assert name.startswith("mlp-digits-skip_d-s1 model.G.widths=[8]")
    assert name.endswith("optimizer.G.lr=1e-3")
    assert "run_dir" not in name


def test_place_and_machine_are_no_part_of_name_and_group() -> None:
    choices = {"model": "dcgan", "data": "folder", "balance": "none", "loss": "hinge", "penalty": "none"}
    place = [
        "data.root=/there",
        "run_dir=x",
        "logger=csv",
        "+trainer.devices=2",
        "trainer=cpu",
        "cache_dir=y",
        "hydra/launcher=joblib",
    ]
    assert (
        run_name(choices, 3, ["model=dcgan", "seed=3", *place, "kimg=4", "~penalty"])
        == "dcgan-folder-none-s3 kimg=4 ~penalty"
    )
    config = {"seed": 1, "kimg": 4, "data": {"root": "/a", "flip": True}, "trainer": {"devices": 1}}
    name = configuration_name(choices, config)
    assert name == configuration_name(
        choices, config | {"seed": 2, "data": {"root": "/b", "flip": True}, "trainer": {}}
    )
    assert name != configuration_name(choices, config | {"data": {"root": "/a", "flip": False}})
    assert name != configuration_name(choices, config | {"kimg": 5})
    assert name.startswith("dcgan-folder-hinge-")
