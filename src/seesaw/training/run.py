"""One run, from a checked configuration to its last checkpoint. Knows no model."""

import logging
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
import yaml
from omegaconf import DictConfig
from pytorch_lightning.utilities.rank_zero import rank_zero_only

from seesaw.config.assemble import assemble
from seesaw.config.command_line import override
from seesaw.data.checks import few_images
from seesaw.data.module import ImageData
from seesaw.errors import Diverged, Notice, UserError
from seesaw.experiment import Experiment
from seesaw.monitor.monitor import Monitor
from seesaw.shared.schedules import ScheduleModule
from seesaw.training.begin import Former, begin, compare_data, former_progress
from seesaw.training.build import construct, passes, precision, set_size, sizes
from seesaw.training.callbacks.checkpoint import Checkpoints
from seesaw.training.callbacks.evaluate import NoMetrics
from seesaw.training.callbacks.held_out import HeldOutAccuracy
from seesaw.training.callbacks.memory_check import MemoryCheck
from seesaw.training.callbacks.monitor import Watch
from seesaw.training.callbacks.progress import KimgBar
from seesaw.training.callbacks.samples import Samples
from seesaw.training.callbacks.stop import GracefulStop, PruningCallback
from seesaw.training.callbacks.threads import ThreadTuner
from seesaw.training.checkpoints import AtomicIO
from seesaw.training.curves import curves
from seesaw.training.distributed import RankInfo, rank_info, strategy
from seesaw.training.forks import Fork, refuse_forked_whole
from seesaw.training.launcher import inherited_folder, launch_info, report_child_error
from seesaw.training.lock import RunLock
from seesaw.training.loggers.build import build_loggers
from seesaw.training.loggers.csv_log import copy_rows
from seesaw.training.loggers.naming import configuration_name, run_name
from seesaw.training.loggers.tracker import RunInfo, Tracker
from seesaw.training.own_folder import config_dir_entry
from seesaw.training.preflight import build_checked
from seesaw.training.profiler import build_profiler
from seesaw.training.provenance import provenance
from seesaw.training.rerun import folder_of
from seesaw.training.rollback import Plan, Rollbacks, as_rolled_back, command_of, continued
from seesaw.training.run_folder import RUN_FOLDER, Job, RunFolder, Status, decide, read_status, write
from seesaw.training.signals import ended_by_signals
from seesaw.training.threads import may_tune, on_cpu, start_threads

rank_zero_print = rank_zero_only(print)

SHOWN = 4
"""Figures in the last line of a run, the primary one first; metrics.csv has all."""


@report_child_error()
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
        SystemExit: 129, 130, 140 or 143 after a signal, with everything saved.
    """
    quiet()
    cfg, config, job = as_rolled_back(cfg, config, job)
    while isinstance(ended := attempt(cfg, config, job), Plan):
        cfg, config, job = continued(ended.cfg, ended.config, ended.job)
    return ended


def attempt(cfg: DictConfig, config: dict[str, Any], job: Job) -> float | Plan | None:
    """As `run`, up to the end of training; a plan where the run goes back, by which it goes on."""
    folder = inherited_folder() or decide(cfg, job)
    here = rank_info(config["trainer"])
    with RunLock(folder.path, wanted=here.rank == 0 and not config["dry_run"]) as lock, ended_by_signals():
        former = former_progress(cfg, job, folder)
        # The checkpoint counts, not the status: a failed run may have got further.
        done = folder.checkpoint is not None and former.images_shown >= round(config["kimg"] * 1000)
        refuse_forked_whole(folder, done, former.images_shown, config["kimg"])
        if done and not lacks_its_end(folder):
            print(f"{folder.checkpoint} has reached {config['kimg']:g} kimg; nothing is left to do (a larger kimg goes on)")
            return best_of(folder)
        model, data, shapes = build_checked(config, here.world_size)
        beginning = begin(model, cfg, config, job.overrides, folder)
        evaluation, reals = prepare_evaluation(config, model, data)
        monitor: Monitor = construct(config["monitor"], "monitor", config["packages"])
        compare_data(former.data, data.fingerprint, config["precision"], folder.forks)
        if config["dry_run"]:
            print("\n".join([sizes(model, data, config), *shapes]))
            return None
        lock.create()
        refuse_overtaken(folder)
        status = Status(folder.path, writes=here.rank == 0)
        opened = OpenRun(folder, config, job, here, evaluation, monitor, status, beginning.fork)
        begun = beginning.status | {"overrides": command_of(job), "provenance": provenance(), "choices": job.choices}
        begun["cwd"] = folder_of(job.overrides, read_status(folder.path).get("cwd"))
        begun |= config_dir_entry(folder.path)
        begun |= {"rollbacks": job.rollbacks} if job.rollbacks else {}
        opened.status.update("running", former.images_shown, **begun, **evaluation.status(reals))
        best = fit_run(opened, model, data, former)
        goes_back = opened.rollbacks.verdict is not None and not launch_info()  # a started process is started again
        return opened.rollbacks.carry_out(model.images_shown / 1000) if goes_back else best


@dataclass(frozen=True)
class OpenRun:
    """What the parts of a run share once it has its folder."""

    folder: RunFolder
    config: dict[str, Any]
    job: Job
    here: RankInfo
    evaluation: Any
    monitor: Monitor
    status: Status
    fork: Fork | None = None

    @cached_property
    def rollbacks(self) -> Rollbacks:
        """Whether and how the run goes back."""
        return Rollbacks(self.config, self.job, self.folder.path, self.monitor)

    def goes_back_diverged(self) -> bool:
        """Whether a run whose numbers are not finite any more goes back. Of several processes each would have to end alike in the
        middle of a batch, so that they do not."""
        verdict = self.monitor.last
        wanted = self.monitor.on_unhealthy == "rollback" and self.here.world_size == 1
        if not wanted or verdict is None or not self.rollbacks.possible(verdict):
            return False
        self.rollbacks.verdict = verdict
        return True


def refuse_overtaken(folder: RunFolder) -> None:
    """UserError where another process has trained in the folder since this one found no checkpoint in it."""
    if (folder.checkpoint is None or folder.forks) and (folder.path / "checkpoints" / "last.ckpt").exists():
        raise UserError(f"{folder.path}: another process has trained here meanwhile; give the command again")


def lacks_its_end(folder: RunFolder) -> bool:
    """Whether the run was killed or interrupted behind its last checkpoint: its last row and status are still to be written."""
    own = folder.checkpoint is not None and folder.checkpoint.parent.parent == folder.path
    return own and read_status(folder.path).get("state") in ("running", "interrupted")


def best_of(folder: RunFolder) -> float | None:
    """The best value of the primary metric that the status of the run holds."""
    status = read_status(folder.path)
    return next((v for k, v in status.items() if k.startswith("best/") and k != "best/kimg"), None)


def prepare_evaluation(config: dict[str, Any], model: Experiment, data: ImageData) -> tuple[Any, Any]:
    """The evaluation, checked, and the reals, read. UserError where the model waits for a metric and none is measured."""
    evaluation = construct(assemble(config)["metrics"], "metrics", config["packages"])
    evaluation.check_channels(config["data"].get("channels", 3))
    data.prepare()
    reals = evaluation.reals_of(data)
    evaluation.check(reals, download=not config["dry_run"])
    if isinstance(evaluation, NoMetrics) and any(
        isinstance(m, ScheduleModule) and m.needs_metric for m in model.modules()
    ):
        raise UserError("schedule=plateau waits for a distance, and metrics=none measures none; choose other metrics")
    return evaluation, reals


@rank_zero_only
def describe_data(data: ImageData, kimg: float) -> None:
    """Print what was read and how often the run shows it; a Notice where the images are few for the batch or the length."""
    print(f"data: {data.description}{passes(data, kimg)}", flush=True)
    if isinstance(data, ImageData) and data.overfit_batches is None:
        few = few_images(len(data.reals), data.batch_size, kimg)
        if few:
            warnings.warn(few, Notice, stacklevel=3)  # past the decorator, whose warnings Lightning rewrites


def open_trackers(run: OpenRun, former: Former) -> list[Tracker]:
    """Write the configuration and open the trackers: what the first process alone does. None in the others."""
    folder, config, job = run.folder, run.config, run.job
    if run.here.rank != 0:
        return []
    write(folder.path / "config.yaml", yaml.safe_dump(config, sort_keys=False, allow_unicode=True))
    print(f"run folder: {folder.path}", flush=True)
    parent = run.status.values.get("parent")
    at = f" at={parent['kimg']:g}" if isinstance(parent, dict) else ""
    name = job.name if job.sweep_dir is not None else run_name(job.choices, config["seed"], job.overrides) + at
    group = job.group or configuration_name(job.choices, config) + at
    directions = dict(run.evaluation.higher_is_better)
    info = RunInfo(
        run_dir=folder.path,
        name=name,
        config=config,
        resume=former.goes_on,
        group=group,
        choices=job.choices,
        kind=job.kind,
        higher_is_better=directions,
        of_sweep=job.sweep_dir is not None,
        overrides=job.overrides,
        parent=parent if isinstance(parent, dict) else None,
    )
    if run.fork is not None:
        print(run.fork.message(), flush=True)
        copy_rows(run.fork.source, folder.path, former.images_shown)
    trackers = build_loggers(config["logger"], info)
    if config["resume"] is not None or run.fork is not None:
        for tracker in trackers:
            tracker.cut(former.images_shown)
    return trackers


def fit_run(run: OpenRun, model: Experiment, data: ImageData, former: Former) -> float | None:
    """Open the trackers and fit, and whatever happens leave a status, curves and closed trackers behind."""
    folder, evaluation, status, stop = run.folder, run.evaluation, run.status, GracefulStop(run.config["kimg"])
    code, state, more, trackers = 1, "failed", dict[str, str](), list[Tracker]()
    try:
        trackers = open_trackers(run, former)
        describe_data(data, run.config["kimg"])
        trainer = make_trainer(run, stop, trackers, set_size(data))
        trainer.fit(model, datamodule=data, ckpt_path=folder.checkpoint, weights_only=True)
        ended = stop.state(model.images_shown, model.converged)
        model.flush_statistics(finished=ended != "interrupted")
        code, state = 0 if stop.signal is None or ended == "finished" else 128 + stop.signal, ended
        report_end(run, state, model.images_shown / 1000)
        more |= stop.reason()
        run.rollbacks.verdict = stop.verdict if ended == "rolled_back" else None
        if stop.signal is not None:
            raise SystemExit(128 + stop.signal)
        return None if evaluation.best is None else evaluation.best[0]
    except (KeyboardInterrupt, SystemExit) as end:  # Lightning turns a second Ctrl-C into exit code 1
        early = end.code if isinstance(end, SystemExit) and isinstance(end.code, int) and end.code > 128 else None
        ends = early or 128 + (stop.signal or signal.SIGINT)
        if state != "finished":  # else it came in the last batch or behind it, and ends the process alone
            code, state = ends, "interrupted"
        raise SystemExit(ends) from None
    except Exception as error:
        more = {"reason": f"{type(error).__name__}: {error}"}
        if isinstance(error, Diverged) and run.goes_back_diverged():
            code, state = 0, "rolled_back"
            return None
        if status.writes:
            error.add_note(f"{RUN_FOLDER}{folder.path}")
        raise
    finally:
        model.flush_statistics()
        figures = evaluation.figures()
        more |= {"protocol": evaluation.protocol} if evaluation.protocol else {}  # none of before a resume with other metrics
        shown = max(int(model.images_shown), former.images_shown)  # nothing is loaded before training starts
        status.update(state, shown, exit_code=code, **figures, **more)
        rank_zero_only(curves)(folder.path)
        close(trackers, figures, code)


def close(trackers: list[Tracker], figures: dict[str, float], code: int) -> None:
    """Give the trackers the figures of the run as a whole, and end them."""
    for tracker in trackers:
        tracker.summarise(figures)
        tracker.finish(code)


def report_end(run: OpenRun, state: str, kimg: float) -> None:
    """Print how the run has ended, and its last values."""
    if state == "interrupted":
        again = f"resume=auto {override('run_dir', run.folder.path)}"
        rank_zero_print(f"stopped at {kimg:g} kimg and saved; go on with {again}", flush=True)
        return
    if state == "rolled_back":  # reported where it is carried out
        return
    names = sorted(run.evaluation.last, key=lambda name: name != run.evaluation.primary)
    figures = "  ".join(f"{name} {run.evaluation.last[name]:.4g}" for name in names[:SHOWN])
    ended = "pruned at" if state == "pruned" else state
    rank_zero_print(f"{ended} {kimg:g} kimg: {run.folder.path}  {figures}", flush=True)
    if run.monitor.last is not None:
        rank_zero_print(f"monitor: {run.monitor.last.sentence()}", flush=True)


def make_trainer(run: OpenRun, stop: GracefulStop, trackers: list[Tracker], images: int) -> pl.Trainer:
    """The callbacks stand in the order in which they must act after a batch: the length of the run or a signal first,
    then what looks at the model, then what saves it with all that was seen."""
    config, path, evaluation = run.config, run.folder.path, run.evaluation
    callbacks = [
        *thread_tuner(config, run.here.world_size),
        stop,
        MemoryCheck(),
        Samples(path, config["sample_kimg"], seed=0),
        evaluation,
        Watch(run.monitor, evaluation, stop, run.status, stop.images, run.rollbacks.possible),
        HeldOutAccuracy(config["evaluate_kimg"], config["kimg"]),
        PruningCallback(evaluation, run.job.judge, stop),
        *own_callbacks(config),
        Checkpoints(path / "checkpoints", config["checkpoint_kimg"], config, evaluation, run.status),
        KimgBar(stop.images, run.job.title, evaluation.primary, images, run.monitor),
    ]
    make: Callable[..., pl.Trainer] = construct(config["trainer"], "trainer", config["packages"])
    return make(
        **precision(config["precision"], config["trainer"]["accelerator"]),
        strategy=strategy(run.here, run.folder, run.job, run.status),
        max_epochs=-1,
        logger=trackers,
        callbacks=callbacks,
        plugins=[AtomicIO(None if run.fork is None else run.fork.checkpoint)],
        profiler=build_profiler(config, path),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,
        default_root_dir=path,
    )


def thread_tuner(config: dict[str, Any], processes: int) -> list[pl.Callback]:
    """Set the number of threads of a run on the CPU; the callback that changes it later, where it may change."""
    if not on_cpu(config["trainer"]):
        return []
    exact = config["precision"] == "exact"
    threads = start_threads(config["threads"], exact, processes)
    return [ThreadTuner(threads)] if config["threads"] == "auto" and may_tune(exact, processes) else []


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
