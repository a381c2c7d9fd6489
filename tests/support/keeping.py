"""What many runs of the suite would make alike is made once in a process, by the code that is tested."""

import hashlib
import json
import os
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any


def keep_what_runs_repeat() -> None:
    """Call it when the tests are collected: what they imported is what they use."""
    if "seesaw.metrics.evaluator" in sys.modules:
        keep_statistics()
    if "seesaw.training.preflight" in sys.modules:
        keep_shapes()
    if "pytorch_lightning" in sys.modules:
        keep_what_is_installed()
    if "wandb" in sys.modules:
        leave_out_launch()


def keep_statistics() -> None:
    """The statistics of the reals, and the gate that follows from them, of the shipped classifiers. Subclasses, by which tests
    count, compute each time."""
    from seesaw.functional.ranks import world_size
    from seesaw.metrics import evaluator, reference
    from seesaw.metrics.extractors.base import ClassifierExtractor

    known = dict[Any, Any]()
    compute, gate_of = reference._compute, evaluator.gate_of

    def once(extractor: Any, key: tuple[Any, ...], make: Callable[[], Any]) -> Any:
        if type(extractor) is not ClassifierExtractor or world_size() > 1:
            return make()
        if key not in known:
            known[key] = make()
        return known[key]

    def kept_compute(reals: Any, extractor: Any, key: str, batch_size: int) -> Any:
        return once(extractor, ("reference", key, batch_size), lambda: compute(reals, extractor, key, batch_size))

    def kept_gate_of(features: Any, classify: Any, look: Any = None, scored: bool = False) -> Any:
        extractor = getattr(classify, "__self__", None)
        rows = [b"" if part is None else part.numpy().tobytes() for part in (features, look)]
        hashes = [hashlib.sha256(part).digest() for part in rows]
        key = ("gate", getattr(extractor, "name", ""), scored, *hashes)
        return once(extractor, key, lambda: gate_of(features, classify, look, scored))

    reference._compute, evaluator.gate_of = kept_compute, kept_gate_of


def keep_shapes() -> None:
    """The step with shapes alone before a run: of the same model, parts and data it is played once. Own packages, whose code
    tests write, are played each time, as is a step that was refused."""
    from seesaw.config.allowed import PARTS
    from seesaw.training import dry_run, preflight

    known = dict[str, list[str]]()
    check_built, check_step = preflight.check_built, dry_run.check_step

    def kept_check_built(config: dict[str, Any], model: Any, data: Any, devices: int) -> list[str]:
        named = {group: config.get(group) for group in ("model", "data", "batch_size", "precision", *PARTS)}
        key = json.dumps([named, devices], default=repr)

        def once(*given: Any) -> list[str]:
            if config.get("packages"):
                return check_step(*given)
            if key not in known:
                known[key] = check_step(*given)
            return list(known[key])

        dry_run.check_step = once
        try:
            return check_built(config, model, data, devices)
        finally:
            dry_run.check_step = check_step

    preflight.check_built = kept_check_built


def keep_what_is_installed() -> None:
    """The entry points that each Trainer looks for among all packages, and what git answers of this checkout."""
    from pytorch_lightning.trainer.connectors import callback_connector

    from seesaw.training import provenance

    callback_connector._load_external_callbacks = cache(callback_connector._load_external_callbacks)
    ask, here, known = provenance._git, Path(provenance.__file__).resolve().parents[1], dict[Any, str]()

    def kept_git(folder: Path, *arguments: str) -> str:
        if folder != here:
            return ask(folder, *arguments)
        key = (*arguments, os.environ.get("PATH"))
        if key not in known:
            known[key] = ask(folder, *arguments)
        return known[key]

    provenance._git = kept_git


def leave_out_launch() -> None:
    """W&B's Launch, which each first run of a process imports in a second, to find that nobody has launched it."""
    from wandb.sdk.wandb_run import Run

    Run._detect_and_apply_job_inputs = lambda self: None
