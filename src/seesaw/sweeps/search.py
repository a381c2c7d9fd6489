"""`seesaw search SPACE …`: Optuna draws, each trial is a run of its own, hopeless ones end early, and a kill costs one trial.

Optuna's state lies in <out>/study.log, trial n in <out>/<n>; the settings that must not change in between in <out>/search.yaml.
"""

import contextlib
import hashlib
import json
import math
import shlex
import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import optuna
import yaml
from optuna.trial import FixedTrial, Trial, TrialState

from seesaw.config.command_line import key_of
from seesaw.errors import UserError
from seesaw.sweeps.journal import open_journal
from seesaw.sweeps.records import record_failure
from seesaw.sweeps.space import Space, read_space
from seesaw.training.run_folder import Job, now, read_status, write
from seesaw.util import atomic_write, is_full_disk, locked

REPEATS = "again"
"""The attribute of a trial that repeats a killed one: that one's number."""


@dataclass(frozen=True)
class Plan:
    """What a search is: its space, what every trial has, how much of it, and where it lies."""

    space: Space
    overrides: list[str]
    out: Path
    trials: int
    prune: str
    seed: int

    @property
    def fixed(self) -> list[str]:
        return [*self.space.fixed, *self.overrides]


def search(space: str, overrides: list[str], trials: int, out: Path | None, prune: str, seed: int, program: str) -> str:
    """Go on until the study has `trials` trials; returns the lines to print at the end.

    Args:
        space: a ready space (src/seesaw/sweeps/spaces) or the path of a YAML file.
        overrides: as `train` takes them; every trial has them.
        trials: how many, those of an earlier call included. A trial that was killed is tried again and not counted; one
            that failed by itself is counted.
        out: the folder; None: one under runs/ that the same space and overrides find again.
        prune: median, hyperband or none.
        seed: of the draws.
        program: how the best configuration's command line begins.

    Raises:
        UserError: the space, an override or a number is wrong, or no trial succeeded.
        SystemExit: 130 or 143 after a signal; the trial is saved and will be tried again.
    """
    if trials < 1:
        raise UserError(f"--trials is {trials}; it must be at least 1")
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    plan = with_choices(planned(read_space(space), overrides, trials, out, prune, seed))
    measured = check_corners(plan)
    check_same_settings(plan)
    found = Search(plan, measured)
    found.run()
    return found.summary(program)


def planned(space: Space, overrides: list[str], trials: int, out: Path | None, prune: str, seed: int) -> Plan:
    if out is None:
        same = hashlib.sha256(repr((space, overrides)).encode()).hexdigest()[:6]
        out = Path("runs") / f"search-{space.name}-{same}"
    return Plan(space, overrides, out, trials, prune, seed)


def with_choices(plan: Plan) -> Plan:
    """The plan with the choices for a user's own images among its overrides, where neither these nor the space make them."""
    from seesaw.config.advice import complete

    chosen = complete(plan.fixed, plan.space.varied)[len(plan.fixed) :]
    return replace(plan, overrides=[*plan.overrides, *chosen])


class Measured(NamedTuple):
    """How often a trial is evaluated, and whether higher values of its primary metric are better."""

    evaluations: int
    higher_is_better: bool


def check_corners(plan: Plan) -> Measured:
    """How a trial is measured. UserError where a corner of the space does not compose or fit."""
    from seesaw.training.preflight import choose_auto_metrics, compose_checked

    set_by_space = {override.partition("=")[0]: override for override in plan.space.fixed}
    for override in plan.overrides:
        key = key_of(override)
        if key in set_by_space:
            raise UserError(f"{override}: the space {plan.space.name} has {set_by_space[key]}; leave it out")
        if key in plan.space.varied:
            raise UserError(f"{override}: the space {plan.space.name} varies {key}; leave it out")
        if key in ("run_dir", "resume", "hydra/launcher", "dry_run"):
            raise UserError(f"{override}: a search decides that itself; leave it out")
    for corner in plan.space.corners():
        overrides = [*plan.fixed, *corner]
        compose_checked(overrides)
    config = compose_checked(overrides, choose_auto_metrics)
    higher = primary_direction(config)
    if higher is None:
        raise UserError("a search optimises a metric, and metrics=none measures none; choose other metrics")
    return Measured(math.ceil(config["kimg"] / config["evaluate_kimg"]), higher)


def primary_direction(config: dict[str, Any]) -> bool | None:
    """Whether a higher value of the primary metric is better; None where nothing is measured."""
    from seesaw.config.assemble import assemble
    from seesaw.training.build import construct

    evaluation = construct(assemble(config)["metrics"], "metrics", config["packages"])
    higher: bool | None = evaluation.higher_is_better.get(evaluation.primary)
    return higher


def check_same_settings(plan: Plan) -> None:
    """Keep the settings in search.yaml. UserError where they are not those with which the folder was begun."""
    path = plan.out / "search.yaml"
    ranges = {key: {"kind": type(among).__name__, **vars(among)} for key, among in plan.space.varied.items()}
    settings = {"fixed": plan.fixed, "varied": ranges, "prune": plan.prune, "seed": plan.seed}
    if path.is_file():
        try:
            saved = yaml.safe_load(path.read_text(encoding="utf-8"))
        except (ValueError, yaml.YAMLError):
            saved = None
        if not isinstance(saved, dict):
            raise UserError(f"{path} holds no settings of a search; put it back, or choose another --out")
        differing = [key for key, value in settings.items() if saved.get(key) != value]
        if differing:
            what = "; ".join(f"{key}: {saved.get(key)}, now {settings[key]}" for key in differing)
            raise UserError(f"{plan.out} was begun as another search: {what}; choose another --out")
    elif (plan.out / "checkpoints").is_dir():
        raise UserError(f"{plan.out} is the folder of a run; choose another --out")
    else:
        atomic_write(path, yaml.safe_dump(settings, sort_keys=False), "choose another --out")


class Search:
    """The study, and this process's share of its trials: the same command in a second shell takes part in it."""

    def __init__(self, plan: Plan, measured: Measured) -> None:
        self.plan, self.higher_is_better, evaluations = plan, measured.higher_is_better, measured.evaluations
        self.startup = max(2, min(10, plan.trials // 4))
        pruners = {
            "median": optuna.pruners.MedianPruner(n_startup_trials=self.startup),
            "hyperband": optuna.pruners.HyperbandPruner(min_resource=1, max_resource=evaluations),
            "none": optuna.pruners.NopPruner(),
        }
        if evaluations < 2 and plan.prune != "none":
            print("a run is evaluated once, so no trial can be pruned; a smaller evaluate_kimg would do", flush=True)
        self.study = optuna.create_study(
            storage=open_journal(plan.out),
            study_name="search",
            load_if_exists=True,
            pruner=pruners[plan.prune],
            direction="maximize" if self.higher_is_better else "minimize",
        )

    def run(self) -> None:
        """Trials until as many are begun as were asked for. UserError where the folder holds trials that the study does not."""
        self.refuse_unknown_trials()
        print(f"search folder: {self.plan.out}, {self.counted()} of {self.plan.trials} trials are there", flush=True)
        while (begun := self.begin_trial()) is not None:
            trial, drawn, held = begun
            with held:
                self.run_trial(trial, drawn)

    def begin_trial(self) -> tuple[Trial, list[str], contextlib.ExitStack] | None:
        """The next trial, its overrides, and the lock that shows other processes that it is alive; None when all are begun."""
        with locked(self.plan.out / "lock"):
            self.reap_dead_trials()
            if self.counted() >= self.plan.trials:
                return None
            trial, drawn = self.draw()
            held = contextlib.ExitStack()
            held.enter_context(locked(self.lock_of(trial.number)))
            return trial, drawn, held

    def refuse_unknown_trials(self) -> None:
        """UserError where there are folders of trials that the study does not know: its file was deleted, emptied, or put back
        from an older copy, and new trials would find their folders taken."""
        with locked(self.plan.out / "lock"):
            known = len(self.study.get_trials(deepcopy=False))
            folders = [path for path in self.plan.out.iterdir() if path.name.isdecimal()]
            if files := [path for path in folders if not path.is_dir()]:
                raise UserError(f"{files[0]} is a file where a trial needs its folder; move it away, or choose another --out")
            unknown = sorted(int(path.name) for path in folders if int(path.name) >= known and is_begun(path))
        if unknown:
            which = f"{unknown[0]}" if len(unknown) == 1 else f"{unknown[0]} to {unknown[-1]}"
            raise UserError(
                f"{self.plan.out} holds trials ({which}) that its study.log does not know, as if it had been deleted, emptied or "
                "replaced; put study.log back, move these folders away to begin with what it knows, or choose another --out"
            )

    def lock_of(self, number: int) -> Path:
        return self.plan.out / str(number) / ".lock"

    def reap_dead_trials(self) -> None:
        """Try the running trials whose process is gone again, each once."""
        for trial in self.study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            with locked(self.lock_of(trial.number), wait=False) as dead:
                if dead and REPEATS in trial.user_attrs:
                    self.fail(trial.number, "failed", "killed twice")
                elif dead:
                    self.requeue(trial)

    def requeue(self, trial: Any) -> None:
        """Enqueue the parameters of a trial that was killed or interrupted, and end it."""
        if trial.number not in self.repeated():
            self.study.enqueue_trial(trial.params, user_attrs={REPEATS: trial.number})
        self.fail(trial.number, "interrupted", "killed or interrupted; tried again under another number")

    def fail(self, number: int, state: str, reason: str) -> None:
        """End a trial in the study, and record its state and the reason in its folder."""
        self.study.tell(number, state=TrialState.FAIL)
        folder = self.plan.out / str(number)
        ended = {"state": state, "updated": now(), "reason": reason}
        write(folder / "status.json", json.dumps(read_status(folder) | ended, indent=2) + "\n")
        print(f"trial {number} {state}: {reason}", flush=True)

    def repeated(self) -> set[int]:
        """The numbers of the trials that were or will be tried again."""
        return {t.user_attrs[REPEATS] for t in self.study.get_trials(deepcopy=False) if REPEATS in t.user_attrs}

    def counted(self) -> int:
        """How many trials were begun; one that is tried again counts once."""
        begun = {t.number for t in self.study.get_trials(deepcopy=False) if t.state != TrialState.WAITING}
        return len(begun - self.repeated())

    def draw(self) -> tuple[Trial, list[str]]:
        """The next trial and its overrides. The sampler's seed follows the number of trials: a resumed search does not draw
        its first ones again, and two processes do not draw alike."""
        seed = self.plan.seed + 1_000_003 * len(self.study.get_trials(deepcopy=False))
        self.study.sampler = optuna.samplers.TPESampler(n_startup_trials=self.startup, seed=seed % 2**32)
        trial = self.study.ask()
        return trial, self.plan.space.draw(trial)

    def run_trial(self, trial: Trial, drawn: list[str]) -> None:
        """Train one run and report its result to the study."""
        from seesaw.config.compose import compose
        from seesaw.training.error_messages import error_message, wants_trace
        from seesaw.training.preflight import check_run

        cfg, choices = compose([*self.plan.fixed, *drawn])
        judge = PrunerLink(trial, max(round(cfg.evaluate_kimg * 1000), 1))
        job = Job(choices, [*self.plan.fixed, *drawn], None, self.plan.out, trial.number, drawn, "search", judge)
        try:
            config = check_run(cfg, job)
            from seesaw.training.run import run

            value = run(cfg, config, job)
            state = read_status(self.plan.out / str(trial.number)).get("state")
            if state == "interrupted":
                raise UserError("it was ended by a time limit before its length; give a smaller kimg")
            if value is None or not math.isfinite(value):
                raise UserError(f"the distance is {value}")
        except SystemExit:
            self.requeue(trial)
            raise
        except Exception as error:
            if wants_trace() or is_full_disk(error):  # or all further trials fail too; this one is tried again
                raise
            assert job.folder is not None
            reason = error_message(error, drawn, job.folder)
            record_failure(job, reason, error)
            self.study.tell(trial, state=TrialState.FAIL)
            print(f"trial {trial.number} failed: {' '.join(drawn)}: {reason}", flush=True)
            return
        pruned = judge.pruned or state == "pruned"  # by its monitor
        if pruned:
            self.study.tell(trial, state=TrialState.PRUNED)
        else:
            self.study.tell(trial, value)
        self.report(trial.number, value, "pruned" if pruned else "finished", drawn)

    def report(self, number: int, value: float, how: str, drawn: list[str]) -> None:
        best = self.best()
        beside = "" if best is None else f" (best {best.value:.5g}, trial {best.number})"
        print(f"trial {number} {how}: {value:.5g}{beside}  {' '.join(drawn)}", flush=True)

    def best(self) -> Any:
        """The finished trial with the best value, or None."""
        finished = self.study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        sign = -1.0 if self.higher_is_better else 1.0
        return min(finished, key=lambda t: sign * (t.value or 0.0), default=None)

    def summary(self, program: str) -> str:
        """How many trials ended how, and the command line of the best. UserError where none succeeded."""
        states = [t.state.name.lower() for t in self.study.get_trials(deepcopy=False)]
        again = len(self.repeated())
        counts = {"finished": states.count("complete"), "pruned": states.count("pruned"),
                  "failed": states.count("fail") - again, "killed and tried again": again,
                  "running in another process": states.count("running")}  # fmt: skip
        counted = f"{self.plan.out}: " + ", ".join(f"{n} {how}" for how, n in counts.items() if n)
        best = self.best()
        if best is None:
            raise UserError(f"{counted}; none gave a distance: see log.txt and status.json of the trials")
        drawn = self.plan.space.draw(FixedTrial(best.params))
        name = next(
            (k for k in read_status(self.plan.out / str(best.number)) if k.startswith("best/")), "best/distance"
        )
        line = shlex.join([*shlex.split(program), *self.plan.fixed, *drawn])
        return f"{counted}\n{name} {best.value:.5g} in {self.plan.out / str(best.number)}:\n{line}"


def is_begun(folder: Path) -> bool:
    """Whether the folder of a trial holds more than its lock."""
    return any(path.name != ".lock" for path in folder.iterdir())


class PrunerLink:
    """Reports each distance to the pruner and returns whether it finds the trial hopeless. A step is one evaluation, since the
    images shown at an evaluation depend on the batch size."""

    def __init__(self, trial: Trial, every: int) -> None:
        self.trial, self.every, self.pruned = trial, every, False

    def __call__(self, images_shown: int, distance: float) -> bool:
        self.trial.report(distance, images_shown // self.every)
        self.pruned = self.trial.should_prune()
        return self.pruned
