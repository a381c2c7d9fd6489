"""Options are checked before anything that the configuration names is imported."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
from pytorch_lightning.utilities.exceptions import MisconfigurationException
from torch.utils.data import DataLoader
from toys import Stream, task

from seesaw.config.options import AUTOMATIC, DECIDED, check_data, check_trainer
from seesaw.data.sources.digits import Digits
from seesaw.monitor.monitor import NoMonitor
from seesaw.training.callbacks.evaluate import NoMetrics
from seesaw.training.callbacks.stop import GracefulStop
from seesaw.training.distributed import RankInfo
from seesaw.training.run import OpenRun, make_trainer
from seesaw.training.run_folder import Job, RunFolder, Status


def test_every_argument_that_the_run_gives_the_trainer_is_refused_to_the_user(
    composed: Callable[..., dict[str, Any]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}
    parts = {"callbacks": {}, "trainer": given.update}
    monkeypatch.setattr("seesaw.training.run.construct", lambda node, where, packages: parts[where])
    job = Job({"model": "dcgan", "data": "digits", "balance": "none"})
    run = OpenRun(RunFolder(tmp_path), composed("trainer=cpu"), job, RankInfo(0, 1), NoMetrics(), NoMonitor(), Status(tmp_path))
    make_trainer(run, GracefulStop(1), [], 0)
    assert set(given) <= set(DECIDED)
    assert check_trainer({"trainer": {"_target_": "x", "devices": 1, "precision": 16, "logger": False}}) == [
        "trainer.precision: the run sets it; give precision=auto or precision=exact",
        "trainer.logger: the run sets it; give logger=…",
    ]


def test_every_argument_of_the_trainer_is_the_users_or_refused() -> None:
    """A new one of Lightning's has to be looked at: it may decide the length of a run, or what it reads."""
    of_the_user = {"accelerator", "devices", "num_nodes", "max_time", "detect_anomaly", "sync_batchnorm"}
    unused = {"enable_autolog_hparams", "model_registry"}  # of Lightning's own service
    known = set(inspect.signature(pl.Trainer).parameters)
    assert known - set(DECIDED) - set(AUTOMATIC) - unused == of_the_user
    for key in ("max_steps", "limit_train_batches", "fast_dev_run", "overfit_batches"):
        (sentence,) = check_trainer({"trainer": {key: 1}})
        assert sentence.startswith(f"trainer.{key}: the run sets it; give ")


def test_what_lightning_refuses_to_a_model_that_steps_by_itself_is_refused_before(tmp_path: Path) -> None:
    """Each of these, given to Lightning's own Trainer, ends the fit of such a model."""
    for key, value in (("accumulate_grad_batches", 2), ("gradient_clip_val", 1.0)):
        options: dict[str, Any] = {key: value, "logger": False, "enable_checkpointing": False, "accelerator": "cpu"}
        trainer = pl.Trainer(**options, default_root_dir=tmp_path)
        with pytest.raises(MisconfigurationException, match="manual optimization"):
            trainer.fit(task("plain"), DataLoader(Stream(0, 1), batch_size=None))
        (sentence,) = check_trainer({"trainer": {key: value}})
        assert sentence.startswith(
            f"trainer.{key}: models here step their own optimisers, which Lightning then leaves alone;"
        )
    assert set(AUTOMATIC) == {"accumulate_grad_batches", "gradient_clip_val", "gradient_clip_algorithm"}


def test_a_wrong_resolution_has_the_sentence_of_the_set() -> None:
    node = {"_target_": "seesaw.data.sources.digits.Digits", "resolution": 50}
    with pytest.raises(ValueError, match="resolution is 50; its sides must be") as caught:
        Digits(resolution=50, channels=1, batch_size=8)
    assert check_data({"data": node}) == [f"data: {caught.value}"]
    for other in (
        {"resolution": 64},
        {"_target_": "mine.Data"},
        {"_target_": "seesaw.data.sources.gaussians.GaussiansRing"},
    ):
        assert check_data({"data": node | other}) == []


def test_a_place_that_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "there").mkdir()
    node = {"_target_": "seesaw.data.sources.folder.Folder", "resolution": 8}
    assert check_data({"data": node | {"root": "~/there"}}) == check_data({"data": node | {"root": None}}) == []
    (sentence,) = check_data({"data": node | {"root": "~/gone"}})
    assert f"data.root='~/gone' does not exist (looked for '{tmp_path}/gone')" in sentence
