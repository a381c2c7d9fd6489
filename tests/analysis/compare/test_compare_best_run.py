"""The best run of a comparison and its command, runs whose process is gone, and the time of a picture."""

import html
import json
from pathlib import Path

import pytest
from left_runs import VALUES, config, leave

from seesaw.analysis.compare.compare import compare
from seesaw.analysis.compare.page import kimg_of
from seesaw.training.lock import RunLock


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
