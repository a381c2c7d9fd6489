"""Runs that several modules look at."""

import pytest
from small_models import small_run

import seesaw


@pytest.fixture(scope="module")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> seesaw.Trained:
    """A StyleGAN2 with labels."""
    return seesaw.load(small_run(tmp_path_factory.mktemp("labelled") / "run", "stylegan2_small", True))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> seesaw.Trained:
    """A DCGAN without labels."""
    return seesaw.load(small_run(tmp_path_factory.mktemp("plain") / "run", "dcgan_small"))
