"""The way in: command line -> composed and checked configuration -> one run, or a sweep of them. Every mistake is a sentence.

Nothing heavy is imported before the names are known to be right, so that `--help`, completion and misspelt names answer
at once. Exit codes: 0 done, 1 a mistake or a failure, 130 Ctrl-C, 143 SIGTERM.
"""

import os
import sys
import tempfile
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from seesaw.run.config import check_options, config_dir, groups, help_text
from seesaw.run.folder import Job
from seesaw.run.mistakes import plain_notices, sentence


@dataclass
class Jobs:
    """What a process remembers of the jobs it ran. Hydra would print its own words for an exception, so none reaches it."""

    count: int = 0
    failed: list[tuple[Job, Exception]] = field(default_factory=list)

    def summary(self, arguments: list[str]) -> str:
        """One sentence for a single run; for a sweep a line for each job that failed."""
        told_of = [(job, told(error, job.overrides or arguments)) for job, error in self.failed]
        if told_of[0][0].sweep_dir is None:
            return told_of[0][1]
        rows = [f"  job {job.number}  {' '.join(job.overrides)}: {reason}" for job, reason in told_of]
        return "\n".join([f"{len(rows)} of {self.count} jobs failed:", *rows])


def main(argv: list[str] | None = None) -> int:
    """Compose, check and run what the arguments say; returns the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    if {"-h", "--help"} & set(arguments):
        print(help_text("python train.py" if argv is None else "seesaw train", config_dir()))
        return 0
    import hydra

    plain_notices()
    jobs = Jobs()

    def task(cfg: Any) -> float | None:
        return job(cfg, jobs)

    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands us its exceptions instead of printing them
    sys.argv = [sys.argv[0], *arguments]
    try:
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(task)()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except Exception as error:
        if traces():
            raise
        print(f"seesaw: {told(error, arguments)}", file=sys.stderr)
        return 1
    else:
        code = 1 if jobs.failed else 0
    if jobs.failed:  # also of a sweep that a signal ended
        print(f"seesaw: {jobs.summary(arguments)}", file=sys.stderr)
    return code


def job(cfg: Any, jobs: Jobs) -> float | None:
    """One job; a failure is remembered, and in a sweep the others go on."""
    described = describe(cfg)
    jobs.count += 1
    try:
        return checked_run(cfg, described)
    except Exception as error:
        if traces():
            raise
        jobs.failed.append((described, error))
        return None


def describe(cfg: Any) -> Job:
    """The job that Hydra is running."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    hc = HydraConfig.get()
    choices = {group: str(name) for group, name in hc.runtime.choices.items() if "/" not in group and "@" not in group}
    choices.setdefault("balance", "+".join(cfg.balance))  # a list of options is no choice in Hydra's eyes
    in_sweep = hc.mode == RunMode.MULTIRUN
    return Job(
        choices=choices,
        overrides=list(OmegaConf.to_container(hc.overrides.task, resolve=False)),  # type: ignore[arg-type]  # a wrong ${…} is told later
        run_dir=cfg.run_dir,
        sweep_dir=Path(hc.sweep.dir) if in_sweep else None,
        number=hc.job.num if in_sweep else None,
    )


def checked_run(cfg: Any, described: Job) -> float | None:
    """Check names, then values (which imports torch), then run."""
    from omegaconf import OmegaConf

    from seesaw.errors import UserError

    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(f"{missing[0]} must be given: add {missing[0]}=… to the command")
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    wrong = check_options(config, list(groups(config_dir())))  # type: ignore[arg-type]
    if not wrong:
        from seesaw.run.check import check

        wrong = check(config)  # type: ignore[arg-type]
    if wrong:
        raise UserError("; ".join(as_typed(sentence, described.overrides) for sentence in wrong))
    from seesaw.run.train import run

    return run(cfg, described)


def as_typed(sentence: str, overrides: list[str]) -> str:
    """The sentence under the key that the user typed, where an interpolation carried its value to another."""
    key, _, text = sentence.partition(": ")
    for override in overrides:
        typed, _, value = override.lstrip("+").partition("=")
        if typed != key and typed.rpartition(".")[2] == key.rpartition(".")[2] and f"'{value}' is not" in text:
            return f"{typed}: {text}"
    return sentence


def traces() -> bool:
    return os.environ.get("SEESAW_TRACE") == "1"


def told(error: Exception, arguments: list[str]) -> str:
    """The sentence for a known mistake; for anything else what it was, and where its trace lies."""
    known = sentence(error, arguments)
    if known is not None:
        return known
    with tempfile.NamedTemporaryFile("w", prefix="seesaw-", suffix=".txt", delete=False) as file:
        file.write("".join(traceback.format_exception(error)))
    text = str(error).strip().splitlines()
    what = f"unexpected {type(error).__name__}: {text[0] if text else '(no message)'}"
    return f"{what}; the trace is in {file.name}, or set SEESAW_TRACE=1"
