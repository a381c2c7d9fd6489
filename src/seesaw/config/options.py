"""The options that every run has, and where the configuration lies. Imports neither torch nor Hydra, so that mistakes in names
are answered at once."""

import math
from collections.abc import Mapping
from dataclasses import Field, dataclass, field, fields
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, get_type_hints

from seesaw.config.ranges import MOST, MOST_INTEGER
from seesaw.config.values import did_you_mean, misfits, shown
from seesaw.data.checks import data_errors


def option(default: Any, least: float = -math.inf, above: float = -math.inf, most: float = MOST) -> Any:
    """A field of RunConfig: its default, and bounds, inclusive (`least`, `most`) or exclusive (`above`)."""
    return field(default=default, metadata={"least": least, "above": above, "most": most})


@dataclass
class RunConfig:
    """The top level of the configuration, beside the groups. Thousands of images (`kimg`) are the unit of time. What each
    option means stands beside it in conf/train.yaml, from where `--help` takes it."""

    seed: int = option(0, least=0, most=MOST_INTEGER)
    kimg: float = option("${model.recipe.kimg}", least=0.001, most=1e9)
    batch_size: int = option("${model.recipe.batch_size}", least=1, most=2**31)
    run_dir: str | None = option(None)
    cache_dir: str = option("${oc.env:SEESAW_CACHE,cache}")
    resume: str | None = option(None)
    init_from: str | None = option(None)
    fork_from: str | None = option(None)
    precision: Literal["auto", "exact"] = option("auto")
    threads: int | Literal["auto"] = option("auto", least=1, most=4096)
    log_kimg: float = option(1, above=0)
    checkpoint_kimg: float = option(25, above=0)
    checkpoints: list[float] = option(())  # noqa: RUF009
    evaluate_kimg: float = option(25, above=0)
    sample_kimg: float = option(25, above=0)
    packages: list[str] = option(())  # noqa: RUF009
    dry_run: bool = option(False)


DECIDED = {
    "profiler": "give debug=profiler or debug=trace",
    "precision": "give precision=auto or precision=exact",
    "deterministic": "give precision=exact",
    **dict.fromkeys(("max_epochs", "min_epochs", "max_steps", "min_steps", "limit_train_batches"), "give kimg=…"),
    **dict.fromkeys(
        (
            "limit_val_batches",
            "limit_test_batches",
            "limit_predict_batches",
            "val_check_interval",
            "check_val_every_n_epoch",
        ),
        "give evaluate_kimg=… and metrics.n=…",
    ),
    "overfit_batches": "give debug=overfit",
    "fast_dev_run": "give dry_run=true",
    "barebones": "leave it out: it would write neither figures nor checkpoints",
    "log_every_n_steps": "give log_kimg=…",
    "benchmark": "give precision=auto or precision=exact",
    "inference_mode": "leave it out: nothing is validated by Lightning",
    "reload_dataloaders_every_n_epochs": "leave it out: the data have no epochs",
    "strategy": "give trainer.devices=… and trainer.num_nodes=…",
    "logger": "give logger=…",
    "callbacks": "give callbacks=… for your own, metrics=…, evaluate_kimg=…, sample_kimg=… or checkpoint_kimg=… for ours",
    "plugins": "leave it out",
    "enable_checkpointing": "give checkpoint_kimg=…",
    "enable_progress_bar": "leave it out: a terminal gets the bar, a file does not",
    "enable_model_summary": "give dry_run=true to see the sizes",
    "num_sanity_val_steps": "leave it out: nothing is measured before the first step",
    "use_distributed_sampler": "leave it out: the data are shared out already",
    "default_root_dir": "give run_dir=…",
}
"""Arguments of Lightning's Trainer that `train.make_trainer` gives, and what a user sets instead."""

AUTOMATIC = {
    "accumulate_grad_batches": "give model.micro_batch",
    "gradient_clip_val": "leave it out",
    "gradient_clip_algorithm": "leave it out",
}
"""Arguments of Lightning's Trainer that fit no model that steps its own optimisers, and what a user sets instead."""

OPTIONS: dict[str, Field[Any]] = {f.name: f for f in fields(RunConfig)}


@cache
def config_dir() -> Path:
    """The repository's `conf/` when seesaw is imported from a checkout, else the copy inside the installed wheel."""
    package = Path(__file__).resolve().parents[1]
    checkout = package.parents[1]
    if (checkout / "train.py").is_file() and (checkout / "conf" / "train.yaml").is_file():
        return checkout / "conf"
    return package / "conf"


def groups(folder: Path) -> dict[str, list[str]]:
    """Group → its options, as the folders and files under `folder` give them. The shipped ones are read once."""
    return dict(_shipped_groups() if folder == config_dir() else _groups(folder))


@cache
def _shipped_groups() -> dict[str, list[str]]:
    return _groups(config_dir())


def _groups(folder: Path) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for file in sorted(folder.glob("*/**/*.yaml")):
        relative = file.relative_to(folder)
        if relative.parts[0] != "hydra" and relative.stem[0] != "_":  # _NAME.yaml: what files start from
            group = relative.parent.as_posix()  # model/backbone is a group of its own
            found.setdefault(group, []).append(relative.stem)
    return found


def check_options(cfg: Mapping[str, Any], group_names: list[str]) -> list[str]:
    """What is wrong with the top level of the resolved configuration, one sentence each; empty when all is well."""
    known = [*OPTIONS, *group_names]
    out = [f"{k}: there is no such option or group{did_you_mean(k, known)}" for k in cfg if k not in known]
    types = get_type_hints(RunConfig)
    for name, fld in OPTIONS.items():
        if name not in cfg:
            out.append(f"{name} is missing: give {name}=…, {fld.metadata['help']}")
            continue
        wrong = misfits(cfg[name], types[name], name)
        out += wrong or _out_of_range(name, cfg[name], fld)
    return out or kept_errors(cfg["checkpoints"], cfg["kimg"])


def kept_errors(checkpoints: list[float], kimg: float) -> list[str]:
    """A sentence where the moments at which checkpoints are kept do not rise, or lie outside the run."""
    moments = [0.0, *checkpoints]
    if all(earlier < later <= kimg for earlier, later in pairwise(moments)):
        return []
    return [
        f"checkpoints: {shown(list(checkpoints))} is not allowed; give rising numbers above 0 and at most kimg, which is "
        f"{kimg:g}, as [{kimg / 4:g},{kimg / 2:g}]"
    ]


def check_trainer(cfg: Mapping[str, Any]) -> list[str]:
    """A sentence for each key of the trainer that the run sets itself and would override, or that Lightning refuses."""
    keys = list(cfg.get("trainer") or {})
    given = [f"trainer.{key}: the run sets it; {DECIDED[key]}" for key in keys if key in DECIDED]
    manual = "models here step their own optimisers, which Lightning then leaves alone"
    return given + [f"trainer.{key}: {manual}; {AUTOMATIC[key]}" for key in keys if key in AUTOMATIC]


DEBUG = ("overfit_batches", "profiler")
"""Keys of the group `debug`."""


def check_debug(cfg: Mapping[str, Any]) -> list[str]:
    """A sentence for each key of the group `debug` that means nothing."""
    return [
        f"debug.{key}: there is no such key{did_you_mean(key, DEBUG)}"
        for key in cfg.get("debug") or {}
        if key not in DEBUG
    ]


def check_data(cfg: Mapping[str, Any]) -> list[str]:
    """What is wrong with the data's resolution and place, before anything heavy is imported: a sentence each."""
    return data_errors(cfg.get("data") or {})


def _out_of_range(name: str, value: Any, fld: Field[Any]) -> list[str]:
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        return []
    least, above, most = (fld.metadata[bound] for bound in ("least", "above", "most"))
    if value >= least and value > above and value <= most and math.isfinite(value):
        return []
    bound = f"at least {least}" if least > -math.inf else f"above {above}"
    if isinstance(least, float):  # as it is where there is only `above`: the option is no integer
        bound = f"a finite number {bound}"
    bound += f" and at most {most:g}" if value > most else ""
    return [f"{name}: {shown(value)} is out of range; give {bound}"]
