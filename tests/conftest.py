"""What several test folders share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

REPOSITORY = Path(__file__).parents[1]
CONF = REPOSITORY / "conf"


@pytest.fixture
def composed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, Any]]:
    """overrides -> the resolved configuration of this repository's conf/, with its cache in the test's folder."""
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))

    def make(*overrides: str) -> dict[str, Any]:
        with initialize_config_dir(str(CONF), version_base="1.3"):
            cfg = compose("train", list(overrides))
        resolved = OmegaConf.to_container(cfg, resolve=True)
        assert isinstance(resolved, dict)
        return {str(key): value for key, value in resolved.items()}

    return make
