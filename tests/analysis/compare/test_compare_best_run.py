"""The best run of a comparison, and its command."""

import html
import json

from left_runs import VALUES

from seesaw.analysis.compare.compare import compare


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
