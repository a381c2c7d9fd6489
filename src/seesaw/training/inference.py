"""`seesaw evaluate`: restore the whole model of a checkpoint, and measure it. (`seesaw.trained` loads its nets alone.)

The checkpoint may come from a stranger. Nothing that its configuration names is imported before `seesaw.config.allowed` has let
it pass, and no path in it is written to: the cache is the caller's, and so is the place of every output.
"""

import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import OverrideParseException
from omegaconf import OmegaConf

from seesaw.config.allowed import check_packages, refuse_unknown
from seesaw.config.assemble import assemble
from seesaw.config.options import OPTIONS, config_dir
from seesaw.config.values import check, did_you_mean
from seesaw.errors import Notice, UserError
from seesaw.metrics.evaluator import LEAST
from seesaw.training.build import construct
from seesaw.training.checkpoint_file import allowed_parts, load
from seesaw.training.places import with_its_places
from seesaw.training.run_folder import strict
from seesaw.util import disk_error, no_link

INCEPTION = "seesaw.metrics.extractors.inception.InceptionExtractor"
TO_EVALUATE = "give its path by --fid FILE"

FIXED = ("_target_", "resolution", "channels", "depth", "labels", "classes", "class_names", "holdout")
"""Keys of the data that belong to the model as it was trained."""

PLACES = ("cache_dir", "run_dir", "resume", "init_from", "fork_from")
"""Keys of paths that a run writes to or begins from: those of the checkpoint are dropped wherever they stand."""


class Restored(NamedTuple):
    """A checkpoint's model, with what it takes to build the other parts of its run.

    Attributes:
        model: an Experiment with the saved weights, in evaluation mode.
        nodes: "model", "data" and "metrics", as `seesaw.training.build.construct` takes them.
        images_shown: real images that the weights had been shown.
        cache_dir: the caller's cache.
    """

    model: Any
    nodes: dict[str, Any]
    images_shown: int
    cache_dir: str


def device() -> torch.device:
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def restore(
    path: Path, overrides: Sequence[str] = (), packages: Sequence[str] = (), fid: str | None = None
) -> Restored:
    """Restore the model of a checkpoint on this machine's device.

    Args:
        path: the checkpoint.
        overrides, packages, fid: see `configured`.

    Raises:
        UserError: as `configured`, or the weights do not fit.
    """
    checkpoint = load(path)
    nodes, cache_dir = configured(checkpoint, path, overrides, packages, fid)
    model = construct(nodes["model"], "model", packages)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{path}: the weights do not fit the model of its configuration") from error
    model.depth = nodes["data"].get("depth", 8)
    shown = checkpoint["progress"]["images_shown"]
    return Restored(model.to(device()).eval(), nodes, shown, cache_dir)


def configured(
    checkpoint: dict[str, Any],
    path: Path,
    overrides: Sequence[str] = (),
    packages: Sequence[str] = (),
    fid: str | None = None,
) -> tuple[dict[str, Any], str]:
    """The checked nodes of a checkpoint, and the caller's cache; see `Restored`.

    Args:
        checkpoint: what `load` gave of the file `path`.
        overrides: `KEY=VALUE` for `cache_dir` and for keys of the saved `data` and `metrics`.
        packages: own packages whose classes the file may name; see `seesaw.config.allowed`.
        fid: None, or the weights that `fid_node` takes, in the place of the run's own metrics.

    Raises:
        UserError: the file names what may not be built, or an override does not fit.
    """
    check_packages(packages)
    try:
        config = trusted(checkpoint["config"], packages)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if fid is not None:
        config["metrics"] = fid_node(config["metrics"].get("n"), fid, config["metrics"].get("against", "train"))
    set_values(with_its_places(config, path), overrides)
    nodes = assemble(config)
    for group, node in nodes.items():  # an override may have set a node
        refuse_unknown(node, group, packages)
    wrong = check(nodes)
    if wrong:
        raise UserError(f"{path}: {'; '.join(wrong)}")
    return nodes, config["cache_dir"]


def reals_of(
    config: dict[str, Any], path: Path, overrides: Sequence[str] = (), packages: Sequence[str] = (), build: bool = True
) -> Any:
    """The set of real images, or points, that a run was trained on; without `build` None, and the overrides are checked alone.
    `config`: of the checkpoint or export `path`."""
    nodes, _ = configured({"config": config}, path, overrides, packages)
    return construct(nodes["data"], "data", packages).prepare() if build else None


def trusted(saved: dict[str, Any], packages: Sequence[str]) -> dict[str, Any]:
    """What `allowed_parts` gives, with the caller's cache and packages."""
    config = without(allowed_parts(saved, packages), PLACES)
    cache = str(OmegaConf.create({"cache_dir": OPTIONS["cache_dir"].default}).cache_dir)
    here = dict.fromkeys(PLACES) | {"cache_dir": os.path.expanduser(cache), "packages": list(packages)}
    return config | {key: value for key, value in here.items() if key in OPTIONS}


def without(node: Any, keys: Iterable[str]) -> Any:
    """A copy of the node without these keys at any depth."""
    if isinstance(node, dict):
        return {key: without(child, keys) for key, child in node.items() if key not in keys}
    return [without(child, keys) for child in node] if isinstance(node, list) else node


def set_values(config: dict[str, Any], overrides: Sequence[str]) -> None:
    """Replace values of the configuration. The values are written as on the command line of `seesaw train`.

    Raises:
        UserError: a key is not there, or may not be set.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(overrides))
    except OverrideParseException as error:
        raise UserError(f"{error.override}: an override is key=value, special characters of a value in quotes") from error
    for text, override in zip(overrides, parsed, strict=True):
        key = override.get_key_element()
        if override.is_add() or override.is_delete() or override.is_sweep_override():
            raise UserError(f"{text}: give one value for a key that is there, as KEY=VALUE")
        top, _, rest = key.partition(".")
        if key == "cache_dir":
            config["cache_dir"] = os.path.expanduser(str(override.value()))
        elif top not in ("data", "metrics") or not rest or (top == "data" and rest in FIXED):
            raise UserError(
                f"{text}: the model is used as it was trained; what can be set is cache_dir=…, metrics.KEY=… and data.KEY=… "
                "but for what the images are, such as their resolution"
            )
        else:
            set_value(config, key, override.value())


def set_value(config: dict[str, Any], key: str, value: Any) -> None:
    """Replace the value at the dotted `key`. Raises UserError where there is none."""
    *parents, last = key.split(".")
    node: Any = config
    for k, part in enumerate([*parents, last]):
        if not isinstance(node, dict) or part not in node:
            known = [name for name in node if str(name)[0] != "_"] if isinstance(node, dict) else []
            where = ".".join(parents[:k])
            raise UserError(f"{key}: there is no '{part}' in the {where} of the run{did_you_mean(part, known)}")
        if k < len(parents):
            node = node[part]
    node[last] = value


def fid_node(n: int | None, weights: str, against: str = "train") -> dict[str, Any]:
    """The node of metrics=fid.

    Args:
        n: number of samples; None: as the file has it.
        weights: Inception's file; "auto": torch hub's cache, downloaded there when missing.
        against: the part of the set that samples are compared with.
    """
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        node: dict[str, Any] = OmegaConf.to_container(compose("metrics/fid"), resolve=True)["metrics"]  # type: ignore[index, call-overload, assignment]
    node["extractor"] |= {"weights": None if weights == "auto" else weights}
    return node | {"against": against} | ({} if n is None else {"n": n})


class Measured(NamedTuple):
    """A checkpoint's figures.

    Attributes:
        values: by the metric's name.
        protocol: how they were measured (`seesaw.metrics.protocol`).
        floor: the distance of one half of the reals to the other.
        images_shown: real images that the weights had been shown.
    """

    values: dict[str, float]
    protocol: Any
    floor: float
    images_shown: int


def measure(
    run_path: Path,
    path: Path,
    raw: bool = False,
    n: int | None = None,
    fid: str | None = None,
    overrides: Sequence[str] = (),
    packages: Sequence[str] = (),
) -> Measured:
    """Measure a checkpoint as its run did, or by FID. The values and their protocol are added to evaluations.jsonl.

    Args:
        run_path: what the user named: the run folder, or the checkpoint itself; see `record_of`.
        path: the checkpoint.
        raw: the raw generator instead of its average.
        n: number of samples; None: as the run did.
        fid: Inception's weights, to measure by FID and KID; see `configured`.
        overrides, packages: see `configured`.
    """
    run = restore(path, overrides, packages, fid)
    callback = construct(metrics_node(run.nodes["metrics"], n), "metrics", packages)
    data = construct(run.nodes["data"], "data", packages)
    callback.evaluator.prepare(callback.reals_of(data), run.cache_dir, device(), callback.parts_of(data))
    evaluation = callback.measure(run.model, "raw" if raw else "ema")
    callback.evaluator.notice_few_reals()
    floor = callback.evaluator.half_floor(seed=0)
    row = {"checkpoint": str(path), "kimg": run.images_shown / 1000, **evaluation.values}
    record(record_of(run_path), row | {"protocol": evaluation.protocol.as_dict(), "half_floor": floor})
    return Measured(evaluation.values, evaluation.protocol, floor, run.images_shown)


def evaluate(run_path: Path, path: Path, *how: Any) -> str:
    """Measure as `measure` does; returns the lines to print."""
    found = measure(run_path, path, *how)
    lines = [f"{name:<28}{value:.6g}" for name, value in found.values.items()]
    lines.append(f"{'one half of reals to other':<28}{found.floor:.6g}")
    lines.append(f"protocol: {found.protocol.label()}")
    lines += [f"beside the distances: {found.protocol.beside}"] if found.protocol.beside else []
    return "\n".join([f"{path} at {found.images_shown / 1000:g} kimg", *lines])


def metrics_node(node: dict[str, Any], n: int | None) -> dict[str, Any]:
    """The node with `n` samples (None: as it is), and the advice for missing weights that fits `seesaw evaluate`.

    Raises:
        UserError: nothing is measured, or `n` is too small.
    """
    extractor = node.get("extractor")
    if n is not None and n < LEAST:
        raise UserError(
            f"--n {n}: metrics need at least {LEAST} images; leave --n out to measure as many as the run did"
        )
    if not isinstance(extractor, dict):
        raise UserError("the run has metrics=none; give --fid FILE (or --fid auto) to measure with Inception")
    node = node | ({} if n is None else {"n": n})
    if extractor.get("_target_") == INCEPTION:
        node["extractor"] = extractor | {"advice": TO_EVALUATE}
    return node


def record_of(run_path: Path) -> Path:
    """Where evaluations of what the user named are recorded: in the run folder; for a checkpoint outside one beside the file."""
    folder = run_path
    if not run_path.is_dir():
        folder = run_path.parent
        if folder.name == "checkpoints" and (folder.parent / "config.yaml").is_file():
            folder = folder.parent
    return folder / "evaluations.jsonl"


def record(path: Path, row: dict[str, Any]) -> None:
    """Add a line to the file, on a line of its own also after a torn one. A Notice where the file cannot be written."""
    try:
        torn = path.is_file() and not path.read_bytes().endswith(b"\n") and path.stat().st_size > 0
        with open(path, "a", encoding="utf-8", opener=no_link) as file:
            file.write("\n" * torn + json.dumps(strict(row)) + "\n")
    except OSError as error:
        warnings.warn(
            f"{path} cannot be written ({disk_error(error)}): the values are only printed", Notice, stacklevel=2
        )
