"""The profilers of the group debug write into the run folder, in runs of any length."""

import json
from pathlib import Path
from typing import Any

import pytest
import pytorch_lightning as pl
import torch
import yaml
from torch import Tensor, nn

from seesaw.config.options import config_dir
from seesaw.errors import UserError
from seesaw.training.error_messages import explain_building
from seesaw.training.profiler import TraceProfiler, build_profiler


class Tiny(pl.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Linear(4, 1)

    def training_step(self, batch: Tensor) -> Tensor:
        return self.net(batch).square().mean()

    def configure_optimizers(self) -> Any:
        return torch.optim.SGD(self.parameters(), lr=0.1)


def fit(profiler: Any, batches: int, folder: Path) -> Tiny:
    model = Tiny()
    options = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False, "accelerator": "cpu"}
    trainer = pl.Trainer(max_steps=batches, profiler=profiler, default_root_dir=folder / "own", **options)
    trainer.fit(model, torch.utils.data.DataLoader(torch.randn(batches, 4), batch_size=1))
    return model


def shipped(option: str) -> dict[str, Any]:
    return yaml.safe_load((config_dir() / "debug" / f"{option}.yaml").read_text())


def built(option: str, folder: Path, **changed: Any) -> Any:
    debug = shipped(option)
    return build_profiler({"debug": {"profiler": debug["profiler"] | changed}, "packages": []}, folder)


def test_a_trace_holds_the_asked_for_batches_alone(tmp_path: Path) -> None:
    model = fit(built("trace", tmp_path, wait=2, warmup=1, active=2), 8, tmp_path)
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    steps = {event["name"] for event in events if event.get("name", "").startswith("ProfilerStep#")}
    assert steps == {"ProfilerStep#3", "ProfilerStep#4"}
    assert "aten::addmm" in (tmp_path / "fit-trace.txt").read_text()
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())  # so that it can still be copied


@pytest.mark.parametrize("batches", [1, 3])
def test_a_run_that_ends_too_early_for_a_trace_still_ends_well(batches: int, tmp_path: Path) -> None:
    fit(built("trace", tmp_path, wait=3, warmup=1, active=2), batches, tmp_path)
    assert not (tmp_path / "trace.json").exists()
    assert (tmp_path / "fit-trace.txt").read_text().startswith("No trace")


def test_a_run_that_ends_while_it_is_recorded_writes_what_there_is(tmp_path: Path) -> None:
    fit(built("trace", tmp_path, wait=0, warmup=1, active=100), 3, tmp_path)
    text = (tmp_path / "trace.json").read_text()
    assert "ProfilerStep#2" in text
    assert "aten::addmm" in (tmp_path / "fit-trace.txt").read_text()


def test_the_shipped_profiler_lists_the_hooks_in_the_folder(tmp_path: Path) -> None:
    fit(built("profiler", tmp_path), 3, tmp_path)
    assert "run_training_batch" in (tmp_path / "fit-profile.txt").read_text()


def test_without_the_option_there_is_none(tmp_path: Path) -> None:
    assert shipped("none") == {}
    assert build_profiler({"debug": {}, "packages": []}, tmp_path) is None


@pytest.mark.parametrize(("name", "value", "least"), [("wait", -1, 0), ("warmup", -1, 0), ("active", 0, 1)])
def test_too_few_batches_are_refused_in_one_sentence(name: str, value: int, least: int, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"^{name} is {value}; it must be at least {least}$"):
        TraceProfiler(tmp_path, **{name: value})
    with pytest.raises(Exception, match=name) as caught:
        built("trace", tmp_path, **{name: value})
    assert f"debug.profiler: {name} is {value}; it must be at least {least}" == explain_building(caught.value, [])


def test_only_listed_profilers_are_built(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"debug\.profiler\._target_"):
        built("trace", tmp_path, _target_="pytorch_lightning.profilers.PyTorchProfiler")
