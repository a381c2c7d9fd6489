"""One run, from a checked configuration to its last checkpoint. Knows no model."""

import logging
import signal
import warnings
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
import yaml
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.config.assemble import assemble
from seesaw.errors import UserError
from seesaw.experiment import Experiment
from seesaw.gan.schedules import ScheduleModule
from seesaw.training.build import construct, precision, sizes
from seesaw.training.callbacks.evaluate import NoMetrics
from seesaw.training.callbacks.progress import KimgBar
from seesaw.training.callbacks.samples import Samples
from seesaw.training.callbacks.stop import Judged, Life, MemoryCheck
from seesaw.training.checkpoints import AtomicIO, Checkpoints, load
from seesaw.training.curves import curves
from seesaw.training.distributed import place, strategy
from seesaw.training.launcher import last_words, started_in
from seesaw.training.loggers.build import build_loggers
from seesaw.training.loggers.naming import configuration_name, run_name
from seesaw.training.loggers.tracker import RunInfo, Tracker
from seesaw.training.preflight import build_checked
from seesaw.training.profiler import build_profiler
from seesaw.training.run_folder import (
    RUN_FOLDER,
    Job,
    RunFolder,
    Status,
    decide,
    read_status,
    refuse_differences,
    write,
)

say = rank_zero_only(print)


@last_words()
def run(cfg: DictConfig, config: dict[str, Any], job: Job) -> float | None:
    """Train.

    Args:
        cfg: the composed configuration, with its interpolations.
        config: the same, resolved and checked (`seesaw.training.preflight.check_run`).
        job: which run of the command this is.

    Returns:
        The best value of the primary metric, or None where none was measured: what a search optimises.

    Raises:
        UserError: for what the user can mend.
        SystemExit: 130 or 143 after a signal, with everything saved.
    """
    quiet()
    folder = started_in() or decide(cfg, job)
    shown = shown_before(cfg, job, folder)
    # The checkpoint tells, not the status: a failed run may have got further.
    if folder.checkpoint is not None and shown >= round(config["kimg"] * 1000):
        print(f"{folder.checkpoint} has reached {config['kimg']:g} kimg; nothing is left to do (a larger kimg goes on)")
        return next(
            (v for k, v in read_status(folder.path).items() if k.startswith("best/") and k != "best/kimg"), None
        )
    here = place(config["trainer"])
    model, data = build_checked(config, here.world_size)
    evaluation = construct(assemble(config)["metrics"], "metrics", config["packages"])
    reals = data.prepare()
    evaluation.check(download=not config["dry_run"])
    if isinstance(evaluation, NoMetrics) and any(
        isinstance(m, ScheduleModule) and m.needs_distance for m in model.modules()
    ):
        raise UserError("schedule=plateau waits for a distance, and metrics=none measures none; choose other metrics")
    if config["dry_run"]:
        print(sizes(model, data, config))
        return None
    status = Status(folder.path, writes=here.rank == 0)
    trackers = begin(folder, config, job, shown, evaluation) if here.rank == 0 else []
    status.update("running", shown, choices=job.choices, **evaluation.status(reals))
    return follow(folder, config, job, model, data, evaluation, trackers, status)


def shown_before(cfg: DictConfig, job: Job, folder: RunFolder) -> int:
    """The images that the checkpoint has been shown, 0 where there is none. UserError where it is of another configuration."""
    if folder.checkpoint is None:
        if cfg.resume == "auto":
            own = job.run_dir is not None or job.folder is not None
            where = f"{folder.path} holds no checkpoint" if own else "runs/ holds no run of this configuration"
            say(f"resume=auto: {where} to go on from, so it starts anew", flush=True)
        return 0
    saved = load(folder.checkpoint)
    refuse_differences(cfg, saved["config"], folder.checkpoint, job.choices)
    return int(saved["progress"]["images_shown"])


def begin(folder: RunFolder, config: dict[str, Any], job: Job, shown: int, evaluation: Any) -> list[Tracker]:
    """Write the configuration and open the trackers: what the first process alone does."""
    write(folder.path / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    print(f"run folder: {folder.path}", flush=True)
    resumed = folder.checkpoint is not None and folder.checkpoint.parent.parent == folder.path
    name = job.name if job.sweep_dir is not None else run_name(job.choices, config["seed"], job.overrides)
    group = job.group or configuration_name(job.choices, config)
    info = RunInfo(folder.path, name, config, resumed, group, job.choices, job.kind, dict(evaluation.higher_is_better))
    trackers = build_loggers(config["logger"], info)
    if folder.checkpoint is not None:
        for tracker in trackers:
            tracker.cut(shown)
    return trackers


def follow(
    folder: RunFolder,
    config: dict[str, Any],
    job: Job,
    model: Experiment,
    data: pl.LightningDataModule,
    evaluation: Any,
    trackers: list[Tracker],
    status: Status,
) -> float | None:
    """Fit, and whatever happens leave a status, curves and closed trackers behind."""
    life = Life(config["kimg"])
    trainer = make_trainer(folder, config, job, life, evaluation, trackers, status)
    code, state, more = 1, "failed", {}
    try:
        trainer.fit(model, datamodule=data, ckpt_path=folder.checkpoint, weights_only=True)
        model.flush_statistics(finished=life.signal is None)
        done = "pruned" if life.pruned else "finished"
        code, state = (0, done) if life.signal is None else (128 + life.signal, "interrupted")
        return ended(folder, life, evaluation, model)
    except (KeyboardInterrupt, SystemExit):  # Lightning turns a second Ctrl-C into exit code 1
        code, state = 128 + (life.signal or signal.SIGINT), "interrupted"
        raise SystemExit(code) from None
    except Exception as error:
        more = {"reason": f"{type(error).__name__}: {error}"}
        if status.writes:
            error.add_note(f"{RUN_FOLDER}{folder.path}")
        raise
    finally:
        model.flush_statistics()
        figures = evaluation.figures()
        if evaluation.protocol:  # as promised, but for figures of before a resume with other metrics
            more["protocol"] = evaluation.protocol
        status.update(state, model.images_shown, exit_code=code, **figures, **more)
        rank_zero_only(curves)(folder.path)
        for tracker in trackers:
            tracker.summarise(figures)
            tracker.finish(code)


def ended(folder: RunFolder, life: Life, evaluation: Any, model: Experiment) -> float | None:
    """Say where the run stands; after a signal end the process with its code."""
    kimg = model.images_shown / 1000
    if life.signal is not None:
        say(f"stopped at {kimg:g} kimg and saved; go on with resume=auto run_dir={folder.path}", flush=True)
        raise SystemExit(128 + life.signal)
    figures = "  ".join(f"{name} {value:.4g}" for name, value in evaluation.last.items())
    say(f"{'pruned at' if life.pruned else 'finished'} {kimg:g} kimg: {folder.path}  {figures}", flush=True)
    return None if evaluation.best is None else evaluation.best[0]


def make_trainer(
    folder: RunFolder,
    config: dict[str, Any],
    job: Job,
    life: Life,
    evaluation: Any,
    trackers: list[Tracker],
    status: Status,
) -> pl.Trainer:
    """The callbacks stand in the order in which they must act after a batch: the length of the run or a signal first,
    then what looks at the model, then what saves it with all that was seen."""
    callbacks = [
        life,
        MemoryCheck(),
        Samples(folder.path, config["sample_kimg"], seed=0),
        evaluation,
        Judged(evaluation, job.judge, life),
        *own_callbacks(config),
        Checkpoints(folder.path / "checkpoints", config["checkpoint_kimg"], config, evaluation, status),
        KimgBar(life.images, job.title, evaluation.primary),
    ]
    make: Callable[..., pl.Trainer] = construct(config["trainer"], "trainer", config["packages"])
    return make(
        **precision(config["precision"], config["trainer"]["accelerator"]),
        strategy=strategy(config["trainer"], folder, job, status),
        max_epochs=-1,
        logger=trackers,
        callbacks=callbacks,
        plugins=[AtomicIO()],
        profiler=build_profiler(config, folder.path),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=folder.path,
    )


def own_callbacks(config: dict[str, Any]) -> list[pl.Callback]:
    """The callbacks of the group of that name. UserError where an entry is something else."""
    made = construct(config["callbacks"], "callbacks", config["packages"])
    for name, callback in made.items():
        if not isinstance(callback, pl.Callback):
            raise UserError(f"callbacks.{name}: {type(callback).__name__} is no pytorch_lightning.Callback")
    return list(made.values())


def quiet() -> None:
    """Lightning's advice is for other programs than this one: the mid-epoch saves and the eval-mode average are meant."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.ERROR)
    for module in ("pytorch_lightning", "lightning_fabric", "torch.optim"):
        warnings.filterwarnings("ignore", module=module)
