"""A comparison as plain figures, for programs: `seesaw compare --json FILE`."""

from typing import Any

from seesaw.analysis.compare.fork_text import effects_of
from seesaw.analysis.compare.groups import Comparison
from seesaw.analysis.compare.reading import Run
from seesaw.training.run_folder import strict


def figures(comparison: Comparison) -> dict[str, Any]:
    """The runs with their verdicts, and the paired differences of forks.

    Returns:
        `runs`: of each its folder, state (diverged among them), progress in kimg, metric, last value, and verdict;
        `effects`: of each table its metric, its protocol, and the effects as in `seesaw.analysis.compare.forks.Effect`. A figure
        that is not known is None.
    """
    found = [
        {
            "metric": table.metric, "protocol": table.protocol, "higher_is_better": table.higher_is_better,
            "changes": [
                effect._asdict() | {"paired": effect.paired._asdict(), "unpaired": effect.unpaired._asdict()}
                for effect in effects_of(comparison, table)
            ],
        }
        for table in comparison.tables
    ]  # fmt: skip
    plain: dict[str, Any] = strict({"runs": [of_run(run) for run in comparison.runs], "effects": found})
    return plain


def of_run(run: Run) -> dict[str, Any]:
    state, reason = run.verdict
    return {
        "name": run.name, "folder": str(run.folder), "state": run.outcome, "kimg": float(run.kimg), "metric": run.primary,
        "last": None if run.primary is None else float(run.final(run.primary)),
        "verdict": {"state": state.replace(" ", "_"), "reason": reason} if state else None,
    }  # fmt: skip
