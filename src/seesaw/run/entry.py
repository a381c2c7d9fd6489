"""The way in: command line -> composed and checked configuration -> one run, or a sweep of them. Every mistake is a sentence.

Nothing heavy is imported before the names are known to be right, so that `--help`, completion and misspelt names answer
at once. Exit codes: 0 done, 1 a mistake or a failure, 130 Ctrl-C, 143 SIGTERM.
"""

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from seesaw.run.arguments import refuse_twice, with_home
from seesaw.run.config import check_options, check_unused, config_dir, groups, help_text
from seesaw.run.folder import RUN_FOLDER, Job, given_checkpoint, keep_trace
from seesaw.run.mistakes import plain_notices, sentence


def main(argv: list[str] | None = None) -> int:
    """Compose, check and run what the arguments say; returns the exit code."""
    arguments = with_home(sys.argv[1:] if argv is None else argv)
    if {"-h", "--help"} & set(arguments):
        print(help_text("python train.py" if argv is None else "seesaw train", config_dir()))
        return 0
    import hydra

    from seesaw.run.sweep import Opened, failures, lost, need_launcher

    plain_notices()
    os.environ["HYDRA_FULL_ERROR"] = "1"  # Hydra then hands us its exceptions instead of printing them
    sys.argv = [sys.argv[0], *arguments]
    Opened.folder = Opened.signal = None
    code, said = 0, list[str]()

    def task(cfg: Any) -> float | None:  # may be pickled and taken to another process
        return job(cfg, said)

    try:
        refuse_twice(arguments, groups(config_dir()))
        need_launcher(arguments)
        hydra.main(version_base="1.3", config_path=str(config_dir()), config_name="train")(task)()
    except SystemExit as stop:
        code = int(stop.code or 0)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        code = 130
    except Exception as error:
        if traces():
            raise
        if Opened.signal is None:  # else the launcher lost a process that the signal ended
            said.append(lost(error) or told(error, arguments))
    if Opened.folder is not None:  # also of a sweep that a signal ended
        said += filter(None, [failures(Opened.folder)])
    for text in said:
        print(f"seesaw: {text}", file=sys.stderr)
    if Opened.signal is not None:
        return 128 + Opened.signal
    return code or (1 if said else 0)


def job(cfg: Any, said: list[str]) -> float | None:
    """The one run of the command, or one of a sweep. Hydra would print its own words for an exception, so none reaches it:
    why a single run failed goes to `said`."""
    from hydra.core.hydra_config import HydraConfig

    from seesaw.run.sweep import elsewhere

    plain_notices()
    described = describe(cfg)
    if described.folder is not None:
        with elsewhere(described, HydraConfig.get().launcher):
            return swept(cfg, described)
        return None
    try:
        return checked_run(cfg, described)
    except Exception as error:
        if traces():
            raise
        said.append(told(error, described.overrides))
        return None


def swept(cfg: Any, described: Job) -> float | None:
    """One job of a sweep: its folder tells how it ended, and the others go on."""
    from seesaw.run.sweep import STOP, note, note_failure

    assert described.sweep_dir is not None
    if (described.sweep_dir / STOP).exists():
        note(described, "stopped")
        return None
    state = "interrupted"
    note(described, "running")
    try:
        best = checked_run(cfg, described)
        state = "finished"
        return best
    except Exception as error:
        state = "failed"
        if traces():
            raise
        note_failure(described, told(error, described.overrides, described.folder), error)
        return None
    finally:
        if state != "failed":
            note(described, state)


def describe(cfg: Any) -> Job:
    """The job that Hydra is running."""
    from hydra.core.hydra_config import HydraConfig
    from hydra.types import RunMode
    from omegaconf import OmegaConf

    from seesaw.run.sweep import Opened

    hc = HydraConfig.get()
    in_sweep = hc.mode == RunMode.MULTIRUN
    overrides: list[str] = OmegaConf.to_container(hc.overrides.task, resolve=False)  # type: ignore[assignment]
    return Job(
        choices=choices_of(hc.runtime.choices, cfg),
        overrides=overrides,  # unresolved: a wrong ${…} is told later
        varied=[override for override in overrides if override.lstrip("+~").partition("=")[0] in Opened.varied],
        run_dir=cfg.run_dir,
        sweep_dir=Path(hc.sweep.dir) if in_sweep else None,
        number=hc.job.num if in_sweep else None,
    )


def choices_of(chosen: Any, cfg: Any) -> dict[str, str]:
    """Group -> chosen option, of Hydra's runtime.choices; `model/style` is a group too."""
    typed = [group for group in chosen if "@" not in group and not group.startswith("hydra/")]
    choices = {group: str(chosen[group]) for group in typed}
    choices.setdefault("balance", "+".join(cfg.balance))  # a list of options is no choice in Hydra's eyes
    return choices


def checked_run(cfg: Any, described: Job) -> float | None:
    """Check names, then values (which imports torch), then run."""
    from omegaconf import OmegaConf

    from seesaw.errors import UserError
    from seesaw.run.sweep import one_device

    missing = sorted(OmegaConf.missing_keys(cfg))
    if missing:
        raise UserError(f"{missing[0]} must be given: add {missing[0]}=… to the command")
    given_checkpoint(cfg.resume)
    config = OmegaConf.to_container(cfg, resolve=True)
    assert isinstance(config, dict)
    one_device(config, described)  # type: ignore[arg-type]
    wrong = check_unused(config, described.overrides)  # type: ignore[arg-type]
    wrong = wrong or check_options(config, list(groups(config_dir())))  # type: ignore[arg-type]
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


def program() -> str:
    """How a person calls the training: in a checkout by its train.py, else by the installed command."""
    return "python train.py" if (config_dir().parent / "train.py").is_file() else "seesaw train"


def traces() -> bool:
    return os.environ.get("SEESAW_TRACE") == "1"


def told(error: Exception, arguments: list[str], folder: Path | None = None) -> str:
    """The sentence for a known mistake; for anything else what it was, and where its trace lies: in the log.txt of `folder`,
    or of the run folder that the error tells of, or of none."""
    known = sentence(error, arguments)
    if known is not None:
        return known
    log = folder / "log.txt" if folder is not None else keep_trace(folder_of(error), error)
    text = str(error).strip().splitlines()
    what = f"unexpected {type(error).__name__}: {text[0] if text else '(no message)'}"
    return f"{what}; the trace is in {log}, or set SEESAW_TRACE=1"


def folder_of(error: BaseException) -> Path:
    """The run folder that a failing run noted on its error; where it had none yet, a temporary one."""
    noted = [text.removeprefix(RUN_FOLDER) for text in getattr(error, "__notes__", []) if text.startswith(RUN_FOLDER)]
    return Path(noted[0]) if noted else Path(tempfile.mkdtemp(prefix="seesaw-"))
