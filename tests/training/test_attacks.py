"""Hostile checkpoints and run folders, through every command that reads them: nothing runs, nothing is imported."""

import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from attacks import ATTACKS, MARK, PLACES, imported, in_folder, node, put
from hydra.utils import instantiate
from tiny_run import TINY

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main as train


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the attacks' files, in which `run` is a finished run."""
    folder = tmp_path_factory.mktemp("attacked")
    in_folder(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("SEESAW_CACHE", raising=False)
        patch.setattr(sys, "argv", sys.argv[:])
        patch.setattr("seesaw.training.run.curves", lambda folder: None)
        assert train([*TINY, "run_dir=run"]) == 0
    return folder


@pytest.fixture
def here(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder as the current one, from which `attack` can be imported."""
    monkeypatch.chdir(folder)
    monkeypatch.delenv("SEESAW_CACHE", raising=False)
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    monkeypatch.syspath_prepend(str(folder))
    (folder / MARK).unlink(missing_ok=True)
    sys.modules.pop("attack", None)
    return folder


def attacked(folder: Path, place: str, target: str, weights: bool = True) -> Path:
    """A checkpoint that holds the attack at the place of its configuration. It is written and read faster without weights,
    which nothing looks at before the configuration is built."""
    content = saved(folder)
    if not weights:
        content = {key: {} if key in ("state_dict", "optimizer_states") else value for key, value in content.items()}
    path = folder / "hostile.ckpt"
    torch.save(content | {"config": put(content["config"], place, PLACES[place](node(target)))}, path)
    return path


@cache
def saved(folder: Path) -> dict[str, Any]:
    """The content of the whole run's checkpoint."""
    content: dict[str, Any] = torch.load(folder / "run/checkpoints/last.ckpt", weights_only=True)
    return content


def refused(command: Callable[[list[str]], int], arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one sentence with which the command ended."""
    assert command(arguments) == 1, arguments
    out, err = capsys.readouterr()
    assert len(err.splitlines()) == 1, err
    assert err.startswith("seesaw: ")
    assert "unexpected" not in err
    assert "Traceback" not in out + err
    return err


@pytest.mark.parametrize(
    "target", ["torch.utils.collect_env.run", "attack.touch", "torch.save", "seesaw.training.run_folder.write"]
)
def test_the_attacks_are_real(target: str, here: Path) -> None:
    """Without the allow-list Hydra runs them; its own list knows the best-known ones only."""
    instantiate({"x": node(target)}, _convert_="all")
    assert (here / MARK).exists()


COMMANDS = [*(("evaluate", target) for target in ATTACKS), *(("sample", target) for target in list(ATTACKS)[:9])]


SOME = {target: list(PLACES)[k % 4 :: 4] for k, target in enumerate(ATTACKS)}
"""A quarter of the places for each target; each place has a quarter of the targets."""


@pytest.mark.parametrize(("command", "target"), COMMANDS)
@pytest.mark.parametrize("rest", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["some", "rest"])
def test_no_command_runs_what_a_checkpoint_names(
    command: str, target: str, rest: bool, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for place in [place for place in PLACES if (place in SOME[target]) != rest]:
        before = imported(target)
        text = refused(seesaw, [command, str(attacked(here, place, target, weights=False))], capsys)
        assert f"'{target}' is not among the classes" in text, place
        assert f"hostile.ckpt: {place}" in text
        assert not (here / MARK).exists(), place
        assert imported(target) == before, place


@pytest.mark.parametrize("more", [["--fid", "auto"], ["--n", "8"], ["--package", "attack"], ["cache_dir=mine"]])
def test_no_option_lets_it_run(more: list[str], here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = attacked(here, "metrics.extractor", "torch.utils.collect_env.run")
    assert "is not among the classes" in refused(seesaw, ["evaluate", str(path), *more], capsys)
    assert not (here / MARK).exists()


def test_a_file_cannot_name_own_packages(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = attacked(here, "model.G", "attack.touch")
    content = torch.load(path, weights_only=True)
    content["config"]["packages"] = ["attack"]
    torch.save(content, path)
    assert "add packages=[attack] (seesaw sample and evaluate: --package attack)" in refused(
        seesaw, ["sample", str(path)], capsys
    )
    assert "attack" not in sys.modules


def test_a_text_in_a_tuple_becomes_no_node(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """OmegaConf takes a tuple for a list, and `${oc.create:…}` makes a node of a text that nobody has escaped."""
    content = torch.load(here / "run/checkpoints/last.ckpt", weights_only=True)
    for hidden in ("${oc.create:{_target_:attack.touch}}", ("${oc.create:{_target_:attack.touch}}",)):
        for command, key in (("evaluate", "order"), ("sample", "G.channels")):
            hostile = content | {"config": put(content["config"], f"model.{key}", hidden)}
            torch.save(hostile, here / "hostile.ckpt")
            assert f"model.{key}: " in refused(seesaw, [command, "hostile.ckpt"], capsys)
            assert not (here / MARK).exists()


RESUMED = [
    ("model.recipe", "torch.utils.collect_env.run"),
    ("model.G.widths", "os.system"),
    ("model.loss", "importlib.import_module"),
    ("data", "builtins.exec"),
    ("optimizer.G", "subprocess.Popen"),
    ("penalty.r1", "attack.touch"),
    ("metrics", "runpy.run_path"),
    ("metrics.extractor", "torch.hub.load"),
    ("seed", "torch.save"),
]


@pytest.mark.parametrize(
    ("how", "place", "target"),
    [*(("checkpoint", *case) for case in RESUMED), *(("folder", *case) for case in RESUMED[::3])],
)
def test_a_resumed_run_builds_nothing_of_the_file(
    how: str, place: str, target: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Everything is built from the command line. Metrics may differ, so there the file's node is never looked at."""
    before = imported(target)
    if how == "checkpoint":
        arguments = [f"resume={attacked(here, place, target)}"]
    else:
        config = yaml.safe_load((here / "run/config.yaml").read_text())
        (here / "taken/checkpoints").mkdir(parents=True, exist_ok=True)
        attacked(here, place, target).replace(here / "taken/checkpoints/last.ckpt")
        (here / "taken/config.yaml").write_text(yaml.safe_dump(put(config, place, PLACES[place](node(target)))))
        arguments = ["resume=auto", "run_dir=taken"]
    if place.startswith("metrics"):
        assert train([*TINY, *arguments]) == 0
        assert "nothing is left to do" in capsys.readouterr().out
    else:
        refused(train, [*TINY, *arguments], capsys)
    assert not (here / MARK).exists()
    assert imported(target) == before


def test_a_run_folder_with_yaml_objects_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "objects/checkpoints").mkdir(parents=True)
    torch.save(
        torch.load(here / "run/checkpoints/last.ckpt", weights_only=True), here / "objects/checkpoints/last.ckpt"
    )
    (here / "objects/config.yaml").write_text(f"seed: !!python/object/apply:os.system ['touch {MARK}']\n")
    assert "cannot be read" in refused(train, [*TINY, "resume=auto", "run_dir=objects"], capsys)
    assert not (here / MARK).exists()


TYPED = [
    ("+model.x", "attack.touch"),
    ("+data.x", "torch.save"),
    ("+metrics.x", "torch.utils.collect_env.run"),
    ("+penalty.x", "attack.touch"),
    ("+logger.x", "os.system"),
    ("+callbacks.x", "torch.utils.collect_env.run"),
]


@pytest.mark.parametrize(("place", "target"), TYPED)
def test_the_command_line_is_held_to_the_same_list(
    place: str, target: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = imported(target)
    text = refused(train, [*TINY, f"{place}={{_target_:{target},command:touch {MARK}}}"], capsys)
    assert f"'{target}' is not among the classes" in text
    assert not (here / MARK).exists()
    assert imported(target) == before
