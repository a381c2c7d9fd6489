"""Every check of a run before it has a folder, in the order in which their errors appear.

1. `check_names`: names, and values that need no torch; a misspelt name is answered within a second.
2. `check_values`: values against the annotations of what they will build. Imports torch.
3. `check_built`: the model and the data against each other, the optimisers, and one step with shapes alone.

`compose_checked` makes the first two for the overrides of a command line, `checked` for a configuration that is composed
already, `check_run` for a run, and `build_checked` makes the third.
"""

import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from seesaw.config.allowed import PARTS, check_packages, refuse_foreign, refuse_unknown
from seesaw.config.command_line import key_of
from seesaw.config.compose import choose_metrics, compose, resolved, usual_choices
from seesaw.config.options import check_data, check_debug, check_options, check_trainer, config_dir, groups
from seesaw.config.own import all_groups
from seesaw.config.sentences import at_its_place, for_the_user
from seesaw.config.values import did_you_mean
from seesaw.errors import Notice, UserError
from seesaw.training.run_folder import Job, fork_checkpoint, given_checkpoint, initial_checkpoint

if TYPE_CHECKING:
    from seesaw.data.module import ImageData
    from seesaw.experiment import Experiment

BUILT = ("model", "data", "metrics", *PARTS, "monitor", "logger", "trainer", "callbacks", "debug")
"""Groups whose nodes may be built."""

NEEDED = ("model", "data", "metrics", "monitor", "trainer", "logger", "callbacks", "debug")
"""Groups that every run has."""

Choose = Callable[[int], str]
"""Gives the option that replaces metrics=auto, for images of so many channels."""

TESTED = "self_supervised"
"""The option of the group metrics that a set may turn out not to suit; then none replaces it."""


def compose_checked(overrides: list[str], choose: Choose | None = None) -> dict[str, Any]:
    """The checked, resolved configuration of these overrides; `choose` as `checked` takes it."""
    cfg, choices = compose(overrides)
    return checked(cfg, overrides, choices, choose)


def checked(
    cfg: DictConfig, overrides: list[str], choices: dict[str, str], choose: Choose | None = None
) -> dict[str, Any]:
    """The resolved configuration, its names and values checked, without the part groups that the model does not take.

    Args:
        cfg: composed, not resolved.
        overrides: of the command line.
        choices: group -> chosen option.
        choose: for a command that measures: its option replaces metrics=auto, in `cfg` and `choices` too; and a distance by
            features that are learned on the reals is tested.

    Raises:
        UserError: one sentence for each mistake that the first failing check finds.
    """
    config = check_values(check_names(cfg, overrides, choices), overrides, choices)
    if choose is not None and choices.get("metrics") == "auto":
        choose_metrics(cfg, choices, choose(config["data"].get("channels", 3)))
        config = check_values(check_names(cfg, overrides, choices), overrides, choices)
    if choose is not None and choices.get("metrics") == TESTED and (objection := objection_to(config)):
        warnings.warn(
            f"metrics={TESTED} measures nothing here, since its distance failed the test on this set: {objection}; "
            f'pip install "seesaw-gan[efflite]" for metrics=efflite0, or metrics=none measures nothing without this warning',
            Notice,
            stacklevel=2,
        )
        choose_metrics(cfg, choices, "none")
        config = check_values(check_names(cfg, overrides, choices), overrides, choices)
    return config


def objection_to(config: dict[str, Any]) -> str:
    """Why a distance by features that are learned on the reals is of no use for this set; empty where it is, and in a process
    for which another one has decided. Reads the set, and lets the network learn where the cache has none."""
    from seesaw.config.assemble import assemble
    from seesaw.metrics.self_supervision import LEAST
    from seesaw.training.build import construct
    from seesaw.training.launcher import inherited_metrics

    if inherited_metrics() is not None:
        return ""
    nodes = assemble(config)
    reals = construct(nodes["data"], "data", config["packages"]).prepare()
    if len(reals) < LEAST:
        return f"it has {len(reals):,} images, and {LEAST} are needed"
    evaluator = construct(nodes["metrics"], "metrics", config["packages"]).evaluator
    evaluator.learn(reals, config["cache_dir"])
    return str(evaluator.extractor.objection())


def check_run(cfg: DictConfig, job: Job) -> dict[str, Any]:
    """The checked configuration of a run, with metrics=auto replaced. Raises UserError as `checked` does."""
    given_checkpoint(cfg.resume)
    if cfg.resume is None and cfg.get("fork_from") is not None:
        fork_checkpoint(cfg.fork_from)
    elif cfg.resume is None and cfg.get("init_from") is not None:  # a run that goes on does not read it again
        initial_checkpoint(str(cfg.init_from))
    config = checked(cfg, job.overrides, job.choices, choose_auto_metrics)
    check_single_device(config, job)
    check_watched(config)
    return config


def check_names(cfg: DictConfig, overrides: list[str], choices: Mapping[str, str]) -> dict[str, Any]:
    """The resolved configuration, what needs no torch checked."""

    def refuse(*found: Iterable[str]) -> None:
        _refuse(found, overrides, choices)

    refuse(missing_groups(cfg))
    config = resolved(cfg)  # refuses missing values, unknown recommendations, and classes that cannot be found
    refuse(
        check_options(config, list(groups(config_dir()))),
        check_trainer(config),
        check_debug(config),
        check_data(config),
    )
    refuse(derived_keys(config, overrides))
    check_packages(config["packages"])
    for group in BUILT:
        if group in config:
            refuse_unknown(config[group], group, config["packages"])
            refuse_foreign(config[group], group, config["packages"])
    return config


def check_values(config: dict[str, Any], overrides: list[str], choices: Mapping[str, str]) -> dict[str, Any]:
    """The configuration without the part groups that the model does not take, its values checked. Imports torch."""
    from seesaw.config.assemble import assemble, check_entries, unused, without_unused
    from seesaw.config.values import check

    def refuse(*found: Iterable[str]) -> None:
        _refuse(found, overrides, choices)

    refuse(unused(config, overrides, choices, usual_choices()))
    config = without_unused(config)
    refuse(check_entries(config))
    rest = {group: config[group] for group in ("monitor", "trainer", "logger", "callbacks", "debug") if group in config}
    refuse(at_its_place(sentence, config) for sentence in check(assemble(config) | rest))
    return config


def build_checked(config: dict[str, Any], devices: int) -> "tuple[Experiment, ImageData, list[str]]":
    """The model and the data of a checked configuration, not read yet, checked against each other, and the lines of
    `seesaw.training.dry_run.check_step`.

    Args:
        devices: of the run, on all hosts together.

    Raises:
        UserError: the first step, or a later batch, would fail.
    """
    from seesaw.training.build import build

    model, data = build(config)
    return model, data, check_built(config, model, data, devices)


def check_built(config: dict[str, Any], model: "Experiment", data: "ImageData", devices: int) -> list[str]:
    """Raise UserError where model, data and devices do not fit; warn of what goes badly in the literature. Returns the lines of
    `seesaw.training.dry_run.check_step`."""
    from seesaw.training.build import check_labels, check_shares, notice_frozen, notice_growth, notice_parts
    from seesaw.training.compatibility import check_fits
    from seesaw.training.distributed import check_divisible
    from seesaw.training.dry_run import check_optimizers, check_step
    from seesaw.training.interface import notice_range

    check_labels(model, config)
    check_fits(model)
    check_divisible(config, model, devices)
    check_shares(data, devices, config["kimg"])
    check_optimizers(config)
    shapes = check_step(model, data, devices)
    notice_range(model, config["data"].get("classes", 0))
    notice_growth(model, config["kimg"])
    notice_parts(model, config)
    notice_frozen(config)
    return shapes


def missing_groups(cfg: DictConfig) -> list[str]:
    """A sentence for the first group that every run has and this one has not."""
    absent = [group for group in NEEDED if cfg.get(group) is None]
    known = all_groups()
    return [f"{group} is missing: give {group}=OPTION{did_you_mean('', known[group])}" for group in absent[:1]]


def derived_keys(config: Mapping[str, Any], overrides: list[str]) -> list[str]:
    """A sentence for an override of the number or the names of the classes, which follow from a shipped set."""
    shipped = str(config["data"].get("_target_")).startswith("seesaw.")
    keys = {key_of(override) for override in overrides}
    return [
        f"{key}: it follows from the set and data.labels; leave it out"
        for key in ("data.classes", "data.class_names")
        if shipped and key in keys
    ]


def check_watched(config: Mapping[str, Any]) -> None:
    """UserError where the monitor is to act on evaluations that nothing makes."""
    action = config["monitor"].get("on_unhealthy", "report")
    if action != "report" and config["metrics"]["_target_"].endswith(".NoMetrics"):
        raise UserError(
            f"monitor.on_unhealthy={action} waits for evaluations, and metrics=none makes none: choose other metrics, or "
            "monitor.on_unhealthy=report"
        )


def check_single_device(config: Mapping[str, Any], job: Job) -> None:
    """UserError where a job of a sweep asks for several devices: Lightning would start the whole sweep again in each rank."""
    trainer = config.get("trainer") or {}
    devices, nodes = trainer.get("devices", 1), trainer.get("num_nodes", 1)
    one = devices in (1, "1", "auto") or (isinstance(devices, list) and len(devices) == 1)
    if job.sweep_dir is not None and not (one and nodes == 1):
        what = f"trainer.devices is {devices}" if nodes == 1 else f"trainer.num_nodes is {nodes}"
        raise UserError(
            f"{what}; a job of a sweep or search takes one device: give trainer.devices=1 or run it without -m"
        )


def choose_auto_metrics(channels: int) -> str:
    """The option that metrics=auto stands for here, for images of so many channels. The first process of a run chooses, and
    prints which and why."""
    from seesaw.metrics.auto import choose
    from seesaw.training.launcher import inherited_metrics

    if (decided := inherited_metrics()) is not None:
        return decided
    found = choose(channels)
    print(found.message, flush=True)
    return found.option


def _refuse(found: Iterable[Iterable[str]], overrides: list[str], choices: Mapping[str, str]) -> None:
    """UserError with all sentences, each under the key that the user typed."""
    sentences = [for_the_user(sentence, overrides, choices) for part in found for sentence in part]
    if sentences:
        raise UserError("; ".join(sentences))
