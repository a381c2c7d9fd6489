"""What several test folders share."""

import gc
import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported: small nets run fastest on one thread

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from composing import compose_faster
from keeping import keep_what_runs_repeat

from seesaw.config import compose as composition

REPOSITORY = Path(__file__).parents[1]
CONF = REPOSITORY / "conf"


compose_faster()
os.fsync = lambda file: None  # no system crashes here, and each run would wait for the disk ten times
gc.disable()  # until the tests are collected: of what is imported nothing is freed


def pytest_collection_finish() -> None:
    """Leave all that was imported out of each later garbage collection, and collect less often: an eighth of the suite's time."""
    keep_what_runs_repeat()
    gc.freeze()
    gc.set_threshold(20_000, 10, 10)
    gc.enable()


def resolved(*overrides: str) -> dict[str, Any]:
    """The resolved configuration of this repository's conf/: with all groups, without the model's recommendations."""
    cfg, _ = composition.compose(list(overrides))
    return composition.resolved(cfg)


@pytest.fixture
def composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """overrides -> the resolved configuration of this repository's conf/, with its cache in the test's folder."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    return resolved


@pytest.fixture(scope="module")
def composed_once(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., dict[str, Any]]]:
    """The same for what a module's tests share."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEESAW_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield resolved


DRAWING = {"test_run", "test_stylizing", "test_curves"}
"""Modules whose runs draw curves.png."""


@pytest.fixture(autouse=True, scope="module")
def curves_where_they_are_looked_at(request: pytest.FixtureRequest) -> Iterator[None]:
    """Runs in this process end without curves.png, which takes longer to draw than they train, but for a few modules."""
    with pytest.MonkeyPatch.context() as patch:
        if request.module.__name__ not in DRAWING:
            patch.setattr("seesaw.training.run.curves", lambda folder: None)
        yield


@pytest.fixture
def no_curves(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same for single tests of these modules."""
    monkeypatch.setattr("seesaw.training.run.curves", lambda folder: None)


@pytest.fixture(scope="session")
def random_inception(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of weights as torch-fidelity reads it, with random values."""
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    holder = object.__new__(FeatureExtractorInceptionV3)
    path = tmp_path_factory.mktemp("inception") / "weights.pth"
    state: dict[str, torch.Tensor] = {}

    def take(self: torch.nn.Module, state_dict: object, *args: object) -> None:
        state.update(torch.nn.Module.state_dict(self))

    with pytest.MonkeyPatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        torch.save({}, path)
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", take)
        holder.__init__("inception-v3-compat", ["2048"], feature_extractor_weights_path=str(path))  # type: ignore[misc]
        for weight in state.values():
            if weight.ndim == 4:  # He's initialisation, or the features of all images were alike
                torch.nn.init.kaiming_normal_(weight)
    torch.save(state, path)
    return path
