"""The comparison of `seesaw compare`, in W&B: python benchmarks/wandb_dashboard.py ENTITY/PROJECT --metric frechet_digits

Makes a saved view of the project: runs grouped by what was chosen, curves over kimg, samples, and what differs. Needs an account
(`wandb login`, or WANDB_API_KEY) and pip install 'seesaw-gan[dashboard]'. docs/wandb.md says what stands where.
"""

import argparse
import sys
from typing import Any

GROUPED = ["model", "data", "loss", "balance"]
PLAYERS = {
    "Losses": ["loss/D", "loss/G"],
    "Steps taken": ["updates/D", "updates/G"],
    "Accuracy of D": ["D/accuracy"],
    "Learning rates": ["lr/D", "lr/G"],
    "Gradient norms": ["grad_norm/D", "grad_norm/G"],
    "Images per second": ["images_per_sec"],
}


def view(entity: str, project: str, metric: str, by: list[str], group: str | None) -> Any:
    """The workspace, not sent yet.

    Args:
        entity: user or team.
        project: the project that holds the runs.
        metric: the distance to compare, as metrics.csv names it.
        by: groups of the configuration; runs that agree in all of them, seeds for example, are drawn as one curve.
        group: one sweep alone (the name of its folder); None: all runs of the project.
    """
    import wandb_workspaces.reports.v2 as wr
    import wandb_workspaces.workspaces as ws

    def lines(title: str, names: list[str], **more: Any) -> Any:
        return wr.LinePlot(title=title, x="kimg", y=names, title_x="kimg", max_runs_to_show=100, **more)

    curve = lines(metric, [metric], groupby_aggfunc="median", groupby_rangefunc="minmax", log_y=True)
    best = wr.BarPlot(title=f"best {metric}", metrics=[f"best/{metric}"], groupby_aggfunc="median")
    differing = wr.RunComparer(diff_only="split")
    axes = [wr.Config(f"choices.{name}") for name in by] + [wr.SummaryMetric(f"best/{metric}")]
    columns = [wr.ParallelCoordinatesPlotColumn(metric=axis) for axis in axes]
    sections = [
        ws.Section(name="Distance", panels=[curve, best], is_open=True),
        ws.Section(name="Players", panels=[lines(title, names) for title, names in PLAYERS.items()], is_open=True),
        ws.Section(name="Samples", panels=[wr.MediaBrowser(media_keys=["samples/ema"], num_columns=4)], is_open=True),
        ws.Section(name="What differs", panels=[differing, wr.ParallelCoordinatesPlot(columns=columns)], is_open=True),
    ]
    runs = ws.RunsetSettings(
        groupby=[ws.Config(f"choices.{name}") for name in by],
        order=[ws.Ordering(ws.Summary(f"best/{metric}"), ascending=True)],
        filters=[] if group is None else [ws.Metric("Group") == group],
    )
    name = f"seesaw compare, {metric}" + ("" if group is None else f", {group}")
    settings = ws.WorkspaceSettings(x_axis="kimg", max_runs=100)
    return ws.Workspace(
        entity=entity, project=project, name=name, sections=sections, settings=settings, runset_settings=runs
    )


def why_not() -> str | None:
    """One sentence, where no view can be made here."""
    from seesaw.run.wandb_log import has_key

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
    parser.add_argument("--metric", default="frechet_digits", help="the distance (frechet_digits)")
    parser.add_argument("--by", nargs="+", default=GROUPED, help=f"what runs are grouped by ({' '.join(GROUPED)})")
    parser.add_argument("--group", default=None, help="one sweep: the name of its folder")
    options = parser.parse_args(argv)
    entity, slash, project = options.project.partition("/")
    wrong = why_not() if slash and entity and project else f"{options.project}: give ENTITY/PROJECT, such as me/seesaw"
    if wrong is None:
        import wandb

        try:
            print(view(entity, project, options.metric, options.by, options.group).save().url)
            return 0
        except (wandb.errors.Error, ValueError, OSError) as error:
            first = (str(error).strip().splitlines() or [type(error).__name__])[0]
            wrong = f"W&B did not take the view of {options.project}: {first[:200]}"
    print(f"wandb_dashboard: {wrong}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
