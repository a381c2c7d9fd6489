"""A sweep of two balances, four runs."""

import shutil

import pytest
from left_runs import VALUES, config, leave


@pytest.fixture(scope="module")
def left(tmp_path_factory):
    folder = tmp_path_factory.mktemp("left")
    for number, ((balance, seed), distances) in enumerate(VALUES.items()):
        leave(folder / str(number), config(balance, seed), distances)
    return folder


@pytest.fixture
def sweep(left, tmp_path):
    return shutil.copytree(left, tmp_path / "sweep")
