"""The requests to W&B, without a server: the view of tools/wandb_dashboard.py and the sweep file of docs/."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import wandb_dashboard
import yaml

from seesaw.cli import train as entry
from seesaw.training.preflight import compose_checked

ROOT = Path(__file__).parents[2]


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("WANDB_API_KEY", "WANDB_BASE_URL", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no-netrc"))


def spec(**options: Any) -> dict[str, Any]:
    """The part of the request that W&B's page reads."""
    view = wandb_dashboard.view("me", "seesaw", **options)
    return dict(json.loads(view._to_model().model_dump_json(by_alias=True))["spec"]["section"])


def test_runs_are_grouped_by_what_was_chosen_over_kimg() -> None:
    section = spec(metric="frechet_digits", by=["balance", "loss"], group="sweep-1")
    (runs,) = section["runSets"]
    assert runs["grouping"] == [{"section": "config", "name": f"choices.value.{name}"} for name in ("balance", "loss")]
    assert runs["sort"]["keys"][0]["key"] == {"section": "summary", "name": "best/frechet_digits"}
    (only,) = runs["filters"]["filters"]
    assert (only["key"]["name"], only["op"], only["value"]) == ("group", "=", "sweep-1")
    panels = [panel for bank in section["panelBankConfig"]["sections"] for panel in bank["panels"]]
    curves = [panel["config"] for panel in panels if panel["viewType"] == "Run History Line Plot"]
    assert {curve["xAxis"] for curve in curves} == {"kimg"}
    drawn = {name for curve in curves for name in curve["metrics"]}
    names = {"eval/frechet_digits", "train/loss/D", "train/updates/G", "train/D/accuracy", "train/lr/D"}
    assert names | {"balance/advantage", "balance/skipped/D"} <= drawn
    assert curves[0]["groupAgg"] == "median"
    assert curves[0]["yLogScale"] is True
    (media,) = [panel["config"] for panel in panels if panel["viewType"] == "Media Browser"]
    assert media["mediaKeys"] == ["samples/ema"]


def test_the_order_of_the_runs_follows_the_direction_of_the_metric() -> None:
    (lower,), (higher,) = (
        spec(metric=name, by=["model"], group=None, higher_is_better=higher)["runSets"][0]["sort"]["keys"]
        for name, higher in (("fid", False), ("eval/modes_digits", True))
    )
    assert (lower["key"]["name"], lower["ascending"]) == ("best/fid", True)
    assert (higher["key"]["name"], higher["ascending"]) == ("best/modes_digits", False)


def test_every_drawn_name_is_logged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run with a gate writes the names that the sections show."""
    monkeypatch.chdir(tmp_path)
    small = ["model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=8", "metrics.n=50"]
    short = ["kimg=0.064", "log_kimg=0.032", "evaluate_kimg=0.064", "logger=csv", "run_dir=run", "trainer=cpu"]
    assert entry.main([*small, *short, "balance=skip_d"]) == 0
    with open("run/metrics.csv") as file:
        logged = set(next(csv.reader(file)))
    for names in [*wandb_dashboard.TRAIN.values(), *wandb_dashboard.BALANCE.values(), ["eval/frechet_digits"]]:
        assert set(names) <= logged


def test_all_runs_where_no_sweep_is_named() -> None:
    assert spec(metric="fid", by=["model"], group=None)["runSets"][0]["filters"]["filters"] == []


@pytest.mark.usefixtures("offline")
@pytest.mark.parametrize(
    ("project", "words"), [("me/seesaw", "there is no W&B account here"), ("seesaw", "seesaw: give ENTITY/PROJECT")]
)
def test_a_missing_account_is_one_sentence(project: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert wandb_dashboard.main([project]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1


@pytest.mark.usefixtures("offline")
def test_a_server_that_does_not_take_it_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wandb_dashboard, "why_not", lambda: None)

    class Refused:
        def save(self) -> None:
            raise ValueError("no such project\nmore")

    monkeypatch.setattr(wandb_dashboard, "view", lambda *a: Refused())
    assert wandb_dashboard.main(["me/seesaw"]) == 1
    assert capsys.readouterr().err == "wandb_dashboard: W&B did not take the view of me/seesaw: no such project\n"


def test_the_sweep_file_gives_commands_that_compose() -> None:
    """W&B's agent builds the command; what it gives to train.py is what train.py takes."""
    # Its module takes seconds to import, which every process that collects the tests would need.
    from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

    sweep = yaml.safe_load((ROOT / "docs" / "wandb_sweep.yaml").read_text())
    assert (ROOT / sweep["program"]).is_file()
    assert create_sweep_command(sweep["command"])[-1] == "${args_no_hyphens}"
    drawn = {  # the value, the last of a list, or the lower end of a range
        key: [among.get("value", among.get("min")), *among.get("values", [])][-1]
        for key, among in sweep["parameters"].items()
    }
    arguments = create_sweep_command_args({"args": {key: {"value": value} for key, value in drawn.items()}})
    config = compose_checked(arguments["args_no_hyphens"])
    assert set(config["balance"]) == {"ttur", "skip_d"}
    assert config["optimizer"]["G"]["lr"] == 1e-5
    assert f"best/{config['metrics']['primary']}" == sweep["metric"]["name"]
