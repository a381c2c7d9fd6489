"""`seesaw.train([...])`: one run from Python, as `seesaw train` makes it."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from seesaw.config.command_line import check_arguments, for_hydra
from seesaw.config.options import config_dir, groups
from seesaw.errors import UserError


def train(overrides: Sequence[str] = ()) -> Any:
    """Train one run, in this process, and load what it has trained.

    Args:
        overrides: as on the command line of `seesaw train`: ["model=dcgan_small", "data=digits", "kimg=20"].

    Returns:
        The `Trained` of the run's last checkpoint; None with dry_run=true. A run that has its length already is only loaded.

    Raises:
        UserError: a mistake, in the sentence that the command line gives.
        KeyboardInterrupt: the run was interrupted; it is saved, and the text is how it goes on.
    """
    from seesaw.training.error_messages import known_message, plain_notices

    if isinstance(overrides, str):
        raise UserError(f"seesaw.train takes a list of overrides: [{overrides!r}]")
    if not isinstance(overrides, list | tuple) or not all(isinstance(one, str) for one in overrides):
        raise UserError(f"seesaw.train takes a list of texts such as ['kimg=20'], not {overrides!r}")
    arguments, former = for_hydra(list(overrides)), list(sys.argv)
    plain_notices()
    try:
        folder = run_once(arguments)
    except SystemExit as end:
        raise KeyboardInterrupt(f"the run was ended by signal {int(end.code or 128) - 128}, and is saved") from end
    except Exception as error:
        known = known_message(error, arguments)
        if known is None:
            raise
        raise UserError(known) from error
    finally:
        sys.argv[:] = former  # what was chosen for own images joins it, for the processes of a data-parallel run
    if folder is None:
        return None
    from seesaw.trained.load import load

    return load(folder, "last", packages=own_packages(folder))


def run_once(arguments: list[str]) -> Any:
    """Compose, check and train one run; its folder, or None of a dry run."""
    from seesaw.cli.train import with_advice
    from seesaw.config.compose import compose
    from seesaw.training.preflight import check_run
    from seesaw.training.rerun import with_own_configuration
    from seesaw.training.run_folder import Job, decide

    if wrong := [word for word in arguments if word.startswith("-")]:
        raise UserError(
            f"{wrong[0]}: seesaw.train makes one run and takes KEY=VALUE alone; for a sweep call seesaw train -m"
        )
    from hydra.core.override_parser.overrides_parser import OverridesParser

    arguments = with_own_configuration(arguments)
    several = [o.input_line for o in OverridesParser.create().parse_overrides(arguments) if o.is_sweep_override()]
    if several:
        raise UserError(f"{several[0]} names several values, and seesaw.train makes one run: call it for each of them")
    check_arguments(arguments, groups(config_dir()))
    cfg, choices = compose(arguments)
    cfg, job = with_advice(cfg, Job(choices, arguments, run_dir=cfg.run_dir))
    config = check_run(cfg, job)
    folder = decide(cfg, job).path
    from seesaw.training.distributed import rank_info
    from seesaw.training.run import run

    if (processes := rank_info(config["trainer"]).world_size) > 1:
        alone = f"seesaw.train is one process, not {processes}"
        raise UserError(f"trainer.devices: {alone}; call seesaw train, or give trainer.devices=1")

    run(cfg, config, replace(job, run_dir=str(folder)))
    return None if config["dry_run"] else folder


def own_packages(folder: Any) -> list[str]:
    """The own packages of the run that this process has just trained."""
    from seesaw.training.saved_config import saved_config

    return list(saved_config(folder).get("packages") or [])
