"""Where MLflow's store lies: in the folder of the command, whatever that and the project are called."""

from pathlib import Path

import pytest

pytest.importorskip("mlflow")

from seesaw.errors import UserError
from seesaw.training.loggers.mlflow_log import MLflowLog
from seesaw.training.loggers.tracker import RunInfo


@pytest.fixture(autouse=True)
def own_store(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("MLFLOW_TRACKING_URI", "MLFLOW_EXPERIMENT_NAME"):
        monkeypatch.delenv(variable, raising=False)


@pytest.mark.parametrize("odd", "?%")
def test_a_folder_that_its_address_cannot_hold_is_refused(odd: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLAlchemy takes what stands behind a ? as options, and decodes a %: the store lay in another folder, or was sought
    there for minutes."""
    here = tmp_path / f"half{odd}41"
    here.mkdir()
    monkeypatch.chdir(here)
    with pytest.raises(UserError) as refusal:
        MLflowLog(RunInfo(tmp_path / "run", "x"))
    assert f"{here} has a {odd} in its name" in str(refusal.value)
    assert "set MLFLOW_TRACKING_URI, or give the command in another folder" in str(refusal.value)
    assert [path.name for path in tmp_path.iterdir()] == [here.name]


@pytest.mark.slow
def test_a_project_leads_to_no_other_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = tmp_path / "we ird#ü"
    here.mkdir()
    monkeypatch.chdir(here)
    log = MLflowLog(RunInfo(here / "run", "x", {"seed": 1}), project="../../own")
    log.log_metrics({"loss": 1.0}, 5)
    assert [path.name for path in tmp_path.iterdir()] == ["we ird#ü"]
    assert sorted(path.name for path in here.iterdir()) == ["mlflow.db", "mlflow.db.lock", "mlruns", "run"]
    assert [path.name for path in (here / "mlruns").iterdir()] == ["______own"]
    assert log.known() == {5: {"loss"}}
    log.finish(0)
