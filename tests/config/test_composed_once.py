"""One composition at the start of a command, and Hydra's mode where a file sets it."""

from pathlib import Path
from typing import Any

import pytest
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra._internal.hydra import Hydra

from seesaw.cli import train as entry
from seesaw.config import compose as compose_module
from seesaw.sweeps.multirun import SweepCallback


@pytest.mark.parametrize(
    ("arguments", "times", "sweep"),
    [(["kimg=-1"], 1, False), (["-m", "kimg=-1"], 3, True), (["hydra.mode=MULTIRUN", "kimg=-1"], 4, True)],
)  # Hydra composes each job of a sweep twice, first to check all of them
def test_hydra_composes_once_more_only_where_its_mode_can_stand(
    arguments: list[str], times: int, sweep: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    load, calls = ConfigLoaderImpl.load_configuration, list[Any]()
    monkeypatch.setattr(ConfigLoaderImpl, "load_configuration", lambda *a, **k: calls.append(k) or load(*a, **k))
    assert entry.main(arguments) == 1
    assert len(calls) == times
    assert (SweepCallback.folder is not None) == sweep


def test_a_sweep_in_a_file_of_ones_own_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    own = tmp_path / "own/experiment/two.yaml"
    own.parent.mkdir(parents=True)
    own.write_text('# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: "1,2"}}}\n')
    assert entry.main(["--config-dir", "own", "experiment=two", "kimg=-1"]) == 1
    assert SweepCallback.planned == ["seed=1", "seed=2"]
    known = Hydra.get_mode
    monkeypatch.setattr(compose_module, "config_dir", lambda: tmp_path / "own")  # the same file in a checkout's conf/
    with compose_module.composed_once(["experiment=two"]):
        assert Hydra.get_mode is known
