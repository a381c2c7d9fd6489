"""The comparison of `seesaw compare`, in W&B: python tools/wandb_dashboard.py ENTITY/PROJECT --metric frechet_digits

Makes a saved view of the project: runs grouped by what was chosen, curves over kimg, samples, and what differs. Needs an account
(`wandb login`, or WANDB_API_KEY) and pip install 'seesaw-gan[dashboard]'. docs/wandb.md describes the sections.
"""

import argparse
import sys
from typing import Any

GROUPED = ["model", "data", "loss", "balance"]
TRAIN = {
    "Losses": ["train/loss/D", "train/loss/G"],
    "Steps taken": ["train/updates/D", "train/updates/G"],
    "Accuracy of D": ["train/D/accuracy"],
    "Learning rates": ["train/lr/D", "train/lr/G"],
    "Gradient norms": ["train/grad_norm/D", "train/grad_norm/G"],
    "Images per second": ["train/images_per_sec"],
}
BALANCE = {
    "Advantage of D": ["balance/advantage"],
    "Skipped in each window": ["balance/skipped/D", "balance/skipped/G"],
}


def view(
    entity: str, project: str, metric: str, by: list[str], group: str | None, higher_is_better: bool = False
) -> Any:
    """The workspace, not sent yet. Its sections bear the first parts of the logged names.

    Args:
        entity: user or team.
        project: the project that holds the runs.
        metric: what to compare by, with or without eval/.
        by: groups of the configuration; runs that agree in all of them, seeds for example, are drawn as one curve.
        group: one sweep alone (the name of its folder); None: all runs of the project.
        higher_is_better: the direction of the metric: the order of the runs; lower-is-better curves are logarithmic.
    """
    import wandb_workspaces.workspaces as ws

    metric = metric.removeprefix("eval/")
    runs = ws.RunsetSettings(
        groupby=[ws.Config(f"choices.{name}") for name in by],
        order=[ws.Ordering(ws.Summary(f"best/{metric}"), ascending=not higher_is_better)],
        filters=[] if group is None else [ws.Metric("Group") == group],
    )
    name = f"seesaw compare, {metric}" + ("" if group is None else f", {group}")
    return ws.Workspace(
        entity=entity, project=project, name=name, sections=sections_of(metric, by, higher_is_better),
        settings=ws.WorkspaceSettings(x_axis="kimg", max_runs=100), runset_settings=runs,
    )  # fmt: skip


def sections_of(metric: str, by: list[str], higher_is_better: bool) -> list[Any]:
    """The sections of the workspace, each with its panels."""
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    def lines(title: str, names: list[str], **more: Any) -> Any:
        return wr.LinePlot(title=title, x="kimg", y=names, title_x="kimg", max_runs_to_show=100, **more)

    def section(name: str, panels: list[Any]) -> Any:
        return ws.Section(name=name, panels=panels, is_open=True)

    of_seeds = {"groupby_aggfunc": "median", "groupby_rangefunc": "minmax"}
    curve = lines(metric, [f"eval/{metric}"], log_y=not higher_is_better, **of_seeds)
    best = wr.BarPlot(title=f"best {metric}", metrics=[f"best/{metric}"], groupby_aggfunc="median")
    axes = [wr.Config(f"choices.{name}") for name in by] + [wr.SummaryMetric(f"best/{metric}")]
    columns = [wr.ParallelCoordinatesPlotColumn(metric=axis) for axis in axes]
    return [
        section("eval", [curve, best]),
        section("train", [lines(title, names) for title, names in TRAIN.items()]),
        section("balance", [lines(title, names) for title, names in BALANCE.items()]),
        section("samples", [wr.MediaBrowser(media_keys=["samples/ema"], num_columns=4)]),
        section("what differs", [wr.RunComparer(diff_only="split"), wr.ParallelCoordinatesPlot(columns=columns)]),
    ]


def why_not() -> str | None:
    """One sentence, where no view can be made here."""
    from seesaw.training.loggers.wandb_log import has_key

    try:
        import wandb_workspaces  # noqa: F401
    except ImportError:
        return "this needs the package wandb-workspaces: pip install 'seesaw-gan[dashboard]'"
    import wandb

    if not has_key(wandb.setup().settings.base_url):
        return "there is no W&B account here: run `wandb login` or set WANDB_API_KEY; offline there is `seesaw compare`"
    return None


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("project", metavar="ENTITY/PROJECT", help="where the runs are, such as me/seesaw")
    parser.add_argument("--metric", default="frechet_digits", help="what is compared (frechet_digits)")
    parser.add_argument("--higher-is-better", action="store_true", help="of the metric, such as valid_digits")
    parser.add_argument("--by", nargs="+", default=GROUPED, help=f"what runs are grouped by ({' '.join(GROUPED)})")
    parser.add_argument("--group", default=None, help="one sweep: the name of its folder")
    options = parser.parse_args(argv)
    entity, slash, project = options.project.partition("/")
    wrong = why_not() if slash and entity and project else f"{options.project}: give ENTITY/PROJECT, such as me/seesaw"
    if wrong is None:
        import wandb

        try:
            made = view(entity, project, options.metric, options.by, options.group, options.higher_is_better)
            print(made.save().url)
            return 0
        except (wandb.errors.Error, ValueError, OSError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            wrong = f"W&B did not take the view of {options.project}: {first[:200]}"
    print(f"wandb_dashboard: {wrong}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
