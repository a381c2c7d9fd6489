"""`seesaw sample` and `seesaw evaluate`: restore the model of a checkpoint, sample it, measure it.

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
from omegaconf import OmegaConf
from torch import Tensor

from seesaw.config.allowed import PARTS, check_packages, refuse_unknown
from seesaw.config.assemble import assemble
from seesaw.config.options import OPTIONS, config_dir
from seesaw.config.values import check, did_you_mean
from seesaw.errors import Notice, UserError
from seesaw.metrics.evaluator import LEAST
from seesaw.training.build import construct
from seesaw.training.callbacks.samples import COLUMNS, class_rows, save_png, sheet
from seesaw.training.checkpoints import load
from seesaw.training.run_folder import strict
from seesaw.training.scatter import MOST
from seesaw.util import disk_error, no_link

INCEPTION = "seesaw.metrics.extractors.inception.InceptionExtractor"
TO_EVALUATE = "give its path by --fid FILE"

GROUPS = ("model", "data", "metrics", *PARTS)
"""What is read of a checkpoint's configuration beside the top-level options."""

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
        overrides: `KEY=VALUE` for `cache_dir` and for keys of the saved `data` and `metrics`.
        packages: own packages whose classes the file may name; see `seesaw.config.allowed`.
        fid: None, or the weights that `fid_node` takes, in the place of the run's own metrics.

    Raises:
        UserError: the file is no checkpoint, names what may not be built, or an override does not fit.
    """
    check_packages(packages)
    checkpoint = load(path)
    try:
        config = trusted(checkpoint["config"], packages)
    except UserError as error:
        raise UserError(f"{path}: {error}") from None
    if fid is not None:
        config["metrics"] = fid_node(config["metrics"].get("n"), fid, config["metrics"].get("against", "train"))
    set_values(config, overrides)
    nodes = assemble(config)
    for group, node in nodes.items():  # an override may have set a node
        refuse_unknown(node, group, packages)
    wrong = check(nodes)
    if wrong:
        raise UserError(f"{path}: {'; '.join(wrong)}")
    model = construct(nodes["model"], "model", packages)
    try:
        model.load_state_dict(checkpoint["state_dict"])
    except (KeyError, TypeError, RuntimeError) as error:
        raise UserError(f"{path}: the weights do not fit the model of its configuration") from error
    model.depth = nodes["data"].get("depth", 8)
    shown = checkpoint["progress"]["images_shown"]
    return Restored(model.to(device()).eval(), nodes, shown, config["cache_dir"])


def trusted(saved: dict[str, Any], packages: Sequence[str]) -> dict[str, Any]:
    """The options and groups of a checkpoint's configuration that may be built, with the caller's cache and packages.

    Raises:
        UserError: a group is missing, or `refuse_unknown` refuses one.
    """
    config = {key: saved[key] for key in (*OPTIONS, *GROUPS) if key in saved}
    for key, node in config.items():
        refuse_unknown(node, key, packages)
    for group in ("model", "data", "metrics"):
        if not isinstance(config.get(group), dict):
            raise UserError(f"its configuration has no {group}")
    config = without(config, PLACES)
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
    for text, override in zip(overrides, OverridesParser.create().parse_overrides(list(overrides)), strict=True):
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


def sample(
    path: Path,
    count: int | None,
    seed: int,
    raw: bool,
    out: Path,
    chosen: str | None = None,
    overrides: Sequence[str] = (),
    packages: Sequence[str] = (),
    psi: float | None = None,
) -> str:
    """Write a PNG of samples of a checkpoint.

    Args:
        path: the checkpoint.
        count: how many; None: 64 images or 2,500 points; of a model with labels a row for each class.
        seed: key of the latents, and of the labels where no class is chosen.
        raw: the raw generator instead of its average. out: the file to write.
        chosen: number or name of the class to sample; None: of a model with labels all classes.
        overrides, packages: see `restore`.
        psi: see `Experiment.truncate`; None: nothing is truncated.

    Returns: the line to print.
    """
    run = restore(path, overrides, packages)
    data = run.nodes["data"]
    if psi is not None:
        run.model.truncate(psi)
    y: int | Tensor | None = class_number(chosen, run.model.classes, data.get("class_names") or [])
    columns = None
    if count is None and y is None and run.model.classes and data.get("resolution") != 1:
        y, columns = class_rows(run.model.classes), COLUMNS  # the grid of training: a row for each class
        count = len(y)
    count = count or (MOST if data.get("resolution") == 1 else 64)
    images = torch.cat([chunk.cpu() for chunk in run.model.sample(count, seed, y=y, ema=not raw)])
    reals = None if images.shape[-1] > 1 else construct(data, "data", packages).prepare()
    save_png(sheet(images, reals, columns), out)
    kinds = ("" if chosen is None else f" of class {chosen}") + ("" if psi is None else f" truncated by psi {psi:g}")
    kinds += f" of the {'raw' if raw else 'averaged'} generator of {path} at {run.images_shown / 1000:g} kimg"
    return f"{out}: {count} samples{kinds}"


def class_number(chosen: str | None, classes: int, names: Sequence[str]) -> int | None:
    """The number of the class that is called `chosen`, or has this number; a name counts first.

    Raises:
        UserError: there is no such class, or the model takes no labels (`classes` is 0).
    """
    if chosen is None:
        return None
    if classes == 0:
        raise UserError(f"--class {chosen}: this model takes no labels; leave it out, or train with data.labels=true")
    if chosen in names:
        return list(names).index(chosen)
    if chosen.isdecimal() and int(chosen) < classes:
        return int(chosen)
    more = did_you_mean(chosen, names) if names else ""
    raise UserError(f"--class {chosen}: there is no such class; give a number from 0 to {classes - 1}{more}")


def evaluate(
    run_path: Path,
    path: Path,
    raw: bool,
    n: int | None,
    fid: str | None,
    overrides: Sequence[str] = (),
    packages: Sequence[str] = (),
) -> str:
    """Measure a checkpoint as its run did, or by FID. The values and their protocol are added to evaluations.jsonl.

    Args:
        run_path: what the user named: the run folder, or the checkpoint itself; see `record_of`.
        path: the checkpoint.
        raw: the raw generator instead of its average.
        n: number of samples; None: as the run did.
        fid: Inception's weights, to measure by FID and KID; see `restore`.
        overrides: see `restore`.
        packages: see `restore`.

    Returns:
        The lines to print.
    """
    run = restore(path, overrides, packages, fid)
    callback = construct(metrics_node(run.nodes["metrics"], n), "metrics", packages)
    data = construct(run.nodes["data"], "data", packages)
    callback.evaluator.prepare(callback.reals_of(data), run.cache_dir, device(), callback.parts_of(data))
    evaluation = callback.measure(run.model, "raw" if raw else "ema")
    callback.evaluator.notice_few_reals()
    floor = callback.evaluator.half_floor(seed=0)
    protocol = evaluation.protocol
    row = {"checkpoint": str(path), "kimg": run.images_shown / 1000, **evaluation.values}
    record(record_of(run_path), row | {"protocol": protocol.as_dict(), "half_floor": floor})
    lines = [f"{name:<28}{value:.6g}" for name, value in evaluation.values.items()]
    lines.append(f"{'one half of reals to other':<28}{floor:.6g}")
    lines.append(f"protocol: {protocol.label()}")
    lines += [f"beside the distances: {protocol.beside}"] if protocol.beside else []
    return "\n".join([f"{path} at {run.images_shown / 1000:g} kimg", *lines])


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
