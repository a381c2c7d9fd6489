"""From a composed configuration to a run: names are checked first, then values, which imports torch."""

import warnings
from collections.abc import Mapping
from typing import Any

from seesaw.errors import Notice, UserError
from seesaw.training.run_folder import Job, given_checkpoint


def checked_run(cfg: Any, described: Job) -> float | None:
    """Check names, then values (which imports torch), then run."""
    from seesaw.config.compose import checked

    given_checkpoint(cfg.resume)
    config = checked(cfg, described.overrides, described.choices, auto_metrics)
    one_device(config, described)
    from seesaw.training.run import run

    return run(cfg, config, described)


def auto_metrics() -> str:
    """The option that metrics=auto stands for here. The first process of a run chooses, and prints or warns which and why."""
    from seesaw.metrics.auto import choose
    from seesaw.training.launcher import inherited_metrics

    if (decided := inherited_metrics()) is not None:
        return decided
    found = choose()
    if found.warns:
        warnings.warn(found.message, Notice, stacklevel=2)
    else:
        print(found.message, flush=True)
    return found.option


def one_device(config: Mapping[str, Any], job: Job) -> None:
    """UserError where a job of a sweep asks for several devices: Lightning would start the whole sweep again in each rank."""
    trainer = config.get("trainer") or {}
    devices, nodes = trainer.get("devices", 1), trainer.get("num_nodes", 1)
    one = devices in (1, "1", "auto") or (isinstance(devices, list) and len(devices) == 1)
    if job.sweep_dir is not None and not (one and nodes == 1):
        what = f"trainer.devices is {devices}" if nodes == 1 else f"trainer.num_nodes is {nodes}"
        raise UserError(
            f"{what}; a job of a sweep or search takes one device: give trainer.devices=1 or run it without -m"
        )
