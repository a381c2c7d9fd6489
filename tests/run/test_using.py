"""How a run is measured again."""

import pytest
import torch

from seesaw.errors import UserError
from seesaw.run.build import construct
from seesaw.run.using import metrics_node

FID = {"_target_": "seesaw.metrics.callback.Evaluate", "evaluate_kimg": 1.0, "n": 8, "extractor": {
    "_target_": "seesaw.metrics.inception.InceptionExtractor", "weights": "/moved/away.pth",
}}  # fmt: skip
DIGITS = FID | {"extractor": {"_target_": "seesaw.metrics.extractors.ClassifierExtractor", "name": "digits"}}


@pytest.mark.parametrize(("own", "given"), [(FID, None), (FID, "/moved/away.pth"), (DIGITS, "/moved/away.pth")])
def test_missing_weights_are_answered_with_an_option_that_evaluate_takes(own: dict[str, object], given: str) -> None:
    callback = construct(metrics_node({"metrics": own, "cache_dir": "cache"}, given), "metrics")
    with pytest.raises(UserError) as told:
        callback.evaluator.extractor.prepare(torch.device("cpu"))
    assert "there is no file /moved/away.pth" in str(told.value)
    assert str(told.value).endswith("give its path by --fid FILE")


def test_a_run_is_measured_as_it_was() -> None:
    assert metrics_node({"metrics": DIGITS, "cache_dir": "cache"}, None) == DIGITS
    with pytest.raises(UserError, match="give --fid FILE"):
        metrics_node({"metrics": {"_target_": "seesaw.metrics.callback.NoMetrics"}, "cache_dir": "cache"}, None)
