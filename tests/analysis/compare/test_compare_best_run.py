"""The best run of a comparison and its command, runs whose process is gone, modes, and the time of a picture."""

import html
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from left_runs import VALUES, config, leave

from seesaw.analysis.compare import text
from seesaw.analysis.compare.compare import compare
from seesaw.analysis.compare.groups import compare_runs
from seesaw.analysis.compare.page import kimg_of
from seesaw.analysis.compare.reading import find, read
from seesaw.training.lock import RunLock
from seesaw.training.preflight import compose_checked

TO_COMPOSE = {"stacked_digits": ["data=stacked_digits"], "gaussians_ring": ["data=gaussians_ring", "model=mlp_points"]}
"""Set -> overrides with which its metrics compose."""


def test_the_best_run_is_named_with_its_command(sweep):
    """By the folder alone where its status holds no overrides, as those of earlier versions."""
    assert "best run: " in compare([sweep], sweep)
    assert "seesaw train" not in compare([sweep], sweep)
    for number in range(4):
        status = json.loads((sweep / str(number) / "status.json").read_text(encoding="utf-8"))
        own = ["model=dcgan", f"seed={number}", "data.root=/a b", "run_dir=x", "resume=auto"]
        (sweep / str(number) / "status.json").write_text(json.dumps(status | {"overrides": own}), encoding="utf-8")
    distances = {number: min(values) for number, values in enumerate(VALUES.values())}
    best = min(distances, key=distances.__getitem__)
    line = f"seesaw train model=dcgan seed={best} 'data.root=/a b'"
    assert line in " ".join(compare([sweep], sweep).split())
    assert line in html.unescape((sweep / "compare.html").read_text(encoding="utf-8"))


def test_a_running_run_whose_process_is_gone_has_died(tmp_path):
    """The lock of a live process is held; the file that an ended one leaves is not."""
    for name in ("alive", "gone", "old"):
        leave(tmp_path / name, config("none", 1), [40, 12], state="running")
    with RunLock(tmp_path / "gone"):
        pass
    with RunLock(tmp_path / "alive"):
        lines = compare([tmp_path], tmp_path).splitlines()
    found = {line.split(":")[0].strip(): line for line in lines if line.startswith("  ")}
    assert "died at" in found["gone"]
    assert "its process is gone" in found["gone"]
    assert "running at" in found["alive"]
    assert "running at" in found["old"]  # of a version without locks


@pytest.mark.parametrize(
    ("name", "kimg"),
    [("000012.png", 12), ("000000_128.png", 0.128), ("000400_005.png", 400.005), ("000012-scales.png", None), ("a.png", None)],
)  # fmt: skip
def test_the_time_of_a_grid_is_in_its_name(name, kimg):
    assert kimg_of(Path(name)) == kimg


@pytest.mark.parametrize("target", ["digits", "stacked_digits", "gaussians_ring"])
def test_the_modes_of_every_set_that_has_them_are_in_the_table(target, tmp_path):
    """Under whatever name conf/metrics gives the count; a former run has it under the former name."""
    measures = compose_checked([f"metrics={target}", *TO_COMPOSE.get(target, [])])["metrics"]["measures"]
    (name,) = [name for name, metric in measures.items() if metric["_target_"] == "seesaw.metrics.modes.Modes"]
    for run, column in (("now", name), ("former", f"modes_{target}")):
        leave(tmp_path / run, config("none", 1), [40])
        table = tmp_path / run / "metrics.csv"
        table.write_text(
            table.read_text(encoding="utf-8").replace("eval/modes_digits", f"eval/{column}"), encoding="utf-8"
        )
    runs, _ = read(find([tmp_path]))
    (found,) = compare_runs(tmp_path, runs, [], None).tables
    assert list(found.runs.modes) == [6, 6]


@pytest.mark.parametrize(
    ("ends", "expected"),
    [([0.128, 0.256, 0.128], "lengths differ (0.128, 0.256 kimg)"), ([100.0, 100.032], ""), ([60.0, 100.0], "(60, 100 kimg)")],
)
def test_lengths_that_differ_are_given_as_they_are(ends: list[float], expected: str) -> None:
    """A last batch more is no difference."""
    table: Any = SimpleNamespace(groups=pd.DataFrame({"last_kimg": ends}))
    found = text.lengths(table)
    assert bool(found) == bool(expected)
    assert expected in "".join(found)
