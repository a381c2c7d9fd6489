"""The way in: command line -> composed and checked configuration -> one run, or a sweep of them. Every mistake is a sentence.

Nothing heavy is imported before the names are known to be right, so that `--help`, completion and misspelt names answer
at once. Exit codes: 0 done, 1 a mistake or a failure, 130 Ctrl-C, 143 SIGTERM.
"""

import importlib.metadata
import os
import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from seesaw.cli.streams import prepare_streams
from seesaw.config.command_line import (
    check_arguments,
    check_flags,
    flags_first,
    for_hydra,
    key_of,
    own_folder,
    without_folder,
)
from seesaw.config.help import help_text
from seesaw.config.options import config_dir
from seesaw.config.own import all_groups, own_config_dir, own_configuration
from seesaw.errors import UserError
from seesaw.training.error_messages import error_message, plain_notices, wants_trace
from seesaw.training.preflight import check_run
from seesaw.training.rerun import recorded, with_own_configuration
from seesaw.training.run_folder import Job, given_checkpoint


def add(commands: Any) -> None:
    """Add the command to the parser of `seesaw`, for its help page: Hydra parses what follows `seesaw train`."""
    commands.add_parser("train", help="train a GAN: `seesaw train --help`", add_help=False)


def main(argv: list[str] | None = None) -> int:
    """Answer the arguments: a page of help, the version, or a run or sweep; returns the exit code."""
    if argv is None:
        prepare_streams(goes_on=True)
    arguments = flags_first(for_hydra(sys.argv[1:] if argv is None else argv))
    if "--version" in arguments:
        print(version_line())
        return 0
    try:
        arguments = completing(arguments) or with_own_configuration(arguments)
        with own_configuration(own_folder(arguments)):
            if {"-h", "--help"} & set(arguments):
                print(help_text("python train.py" if argv is None else "seesaw train", config_dir()))
                return 0
            return call(arguments)
    except UserError as error:  # what is named by resume=RUN or --config-dir is not there
        if wants_trace():
            raise
        return report(1, [str(error)])


def completing(arguments: list[str]) -> list[str]:
    """The arguments of a shell that asks for completions, with the --config-dir of the line that it completes; else none. Hydra
    reads the line from the environment, and takes no flag between two overrides."""
    if not {"-sc", "--shell-completion"} & set(arguments) or "COMP_LINE" not in os.environ:
        return []
    line = os.environ["COMP_LINE"]
    program, *words = line.split() or [""]
    own = own_folder(words)
    if own is None or not own.expanduser().is_dir():
        return arguments
    os.environ["COMP_LINE"] = " ".join([program, *without_folder(words)]) + " " * line.endswith(" ")
    return [f"--config-dir={own.expanduser()}", *arguments]


def call(arguments: list[str]) -> int:
    """Compose, check and run; returns the exit code."""
    import hydra

    from seesaw.config.compose import composed_once
    from seesaw.sweeps.launchers import need_launcher, until_all_end
    from seesaw.sweeps.multirun import SweepCallback, in_sweep, lost, outcome

    plain_notices()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands us its exceptions instead of printing them
    SweepCallback.folder = SweepCallback.signal = None
    code, messages, complete = 0, list[str](), False

    def task(cfg: Any) -> float | None:  # may be pickled and taken to another process
        return job(cfg, messages)

    try:
        sys.argv = [sys.argv[0], *arguments]
        check_flags(arguments)
        check_arguments(arguments, all_groups())
        need_launcher(arguments)
        with until_all_end(), composed_once(arguments):
            hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(task)()
        complete = SweepCallback.signal is None
    except SystemExit as stop:
        code = int(stop.code or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except Exception as error:
        if wants_trace():
            raise
        if SweepCallback.signal is None:  # else the launcher lost a process that the signal ended
            messages.append(lost(error) or in_sweep(error_message(error, arguments)))
    messages += filter(None, [outcome(complete)])  # also of a sweep that a signal ended
    return report(code, messages)


def report(code: int, messages: list[str]) -> int:
    """Print what went wrong, and how a sweep goes on whose jobs did not reach their length; returns the exit code."""
    from seesaw.sweeps.multirun import SweepCallback, notice

    for text in filter(None, [*messages, notice(code, messages)]):
        print(f"seesaw: {text}", file=sys.stderr)
    if SweepCallback.signal is not None:
        return 128 + SweepCallback.signal
    return code or (1 if messages else 0)


def job(cfg: Any, messages: list[str]) -> float | None:
    """The one run of the command, or one of a sweep. Hydra would print its own words for an exception, so none reaches it:
    why a single run failed is appended to `messages`."""
    from hydra.core.hydra_config import HydraConfig

    from seesaw.sweeps.multirun import run_job

    plain_notices()
    described = describe(cfg)
    if described.folder is not None:
        return run_job(described, HydraConfig.get(), lambda: checked_run(cfg, described))
    try:
        return checked_run(cfg, described)
    except Exception as error:
        if wants_trace():
            raise
        messages.append(error_message(error, described.overrides))
        return None


def checked_run(cfg: Any, described: Job) -> float | None:
    """Choose for a user's own images, check, then run. Torch is imported only when the names are known to be right."""
    cfg, described = with_advice(cfg, described)
    config = check_run(cfg, described)
    from seesaw.training.run import run

    return run(cfg, config, described)


def with_advice(cfg: Any, described: Job) -> tuple[Any, Job]:
    """The configuration and the job with the choices for a user's own images (`seesaw.config.advice`) among their overrides; as
    they are where none are wanted. A run that goes on has those that it was begun with."""
    from seesaw.config.advice import KEYS, advise, is_wanted
    from seesaw.config.compose import compose

    if not is_wanted(cfg, described.overrides):
        return cfg, described
    former = former_folder(cfg, described)
    chosen = recorded(former, KEYS, described.overrides) if former is not None else []
    if not any(key_of(one) == "model" for one in chosen):
        advice = advise(cfg, described.overrides)
        chosen = advice.overrides
        from pytorch_lightning.utilities.rank_zero import rank_zero_only

        rank_zero_only(print)("\n".join(advice.lines()), flush=True)
    if described.sweep_dir is None:
        sys.argv += chosen  # the processes that a data-parallel run starts are given these
    overrides = [*described.overrides, *chosen]
    cfg, choices = compose(overrides)
    return cfg, replace(described, overrides=overrides, choices=choices)


def former_folder(cfg: Any, described: Job) -> Path | None:
    """The folder of the run that this one goes on with, where the command names it."""
    if cfg.resume == "auto":
        return described.folder or (Path(described.run_dir).expanduser() if described.run_dir is not None else None)
    checkpoint = given_checkpoint(cfg.resume)
    return None if checkpoint is None else checkpoint.resolve().parent.parent


def describe(cfg: Any) -> Job:
    """The job that Hydra is running."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from seesaw.config.compose import choices_of
    from seesaw.sweeps.multirun import SweepCallback

    hc = HydraConfig.get()
    in_sweep = hc.mode == RunMode.MULTIRUN
    overrides: list[str] = OmegaConf.to_container(hc.overrides.task, resolve=False)  # type: ignore[assignment]
    return Job(
        choices=choices_of(hc.runtime.choices, cfg),
        overrides=overrides,  # unresolved: a wrong ${…} is reported later
        varied=[override for override in overrides if key_of(override) in SweepCallback.varied],
        run_dir=cfg.run_dir,
        sweep_dir=Path(hc.sweep.dir) if in_sweep else None,
        number=hc.job.num if in_sweep else None,
    )


def version_line() -> str:
    """What `--version` prints."""
    try:
        return f"seesaw {importlib.metadata.version('seesaw-gan')}"
    except importlib.metadata.PackageNotFoundError:
        return "seesaw, of a checkout that is not installed"


def program() -> str:
    """How a person calls the training: in a checkout by its train.py, else by the installed command; with the --config-dir of
    this command."""
    name = "python train.py" if (config_dir().parent / "train.py").is_file() else "seesaw train"
    if (folder := own_config_dir()) is None:
        return name
    place = folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder
    return f"{name} --config-dir {shlex.quote(str(place))}"
