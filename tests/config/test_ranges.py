"""Every number of every shipped option has a range: -1, 0, nan, infinity and 1e30 are refused with a sentence that names the
key, but for the few that mean something, which are listed with the reason."""

import copy
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hydra.errors import InstantiationException
from PIL import Image

from seesaw.config.allowed import PARTS
from seesaw.config.assemble import assemble
from seesaw.config.compose import compose, resolved
from seesaw.config.options import check_options, config_dir, groups
from seesaw.config.ranges import allowed_instead
from seesaw.config.sentences import at_its_place
from seesaw.config.values import check
from seesaw.errors import UserError
from seesaw.training.build import build, construct
from seesaw.training.distributed import rank_info
from seesaw.training.dry_run import check_optimizers
from seesaw.training.error_messages import known_message

ZERO = {
    "penalty": {"weight": "turned off", "gamma": "turned off"},
    "balance": {
        "weight": "turned off", "decay": "the last value alone", "start_kimg": "from the start", "std": "no noise",
        "resume_below": "an advantage: 0 is the equilibrium",
    },
    "schedule": {
        "value": "frozen", "start": "frozen at first", "end": "frozen at last", "begin_kimg": "from the start",
        "warmup_kimg": "no warm-up", "lowest": "down to nothing", "threshold": "any gain counts",
    },
    "optimizer": {
        "lr": "a frozen player", "betas": "no memory", "eps": "Adam's formula without it", "alpha": "no memory",
        "momentum": "none", "weight_decay": "none",
    },
    "model": {
        "ema_half_life": "the generator itself", "dropout": "none", "stabilise": "fades follow each other",
        "freeze_d": "no layer is frozen", "embedding": "one-hot",
        "weight": "turned off", "average": "the canvas itself", "tolerance": "never early", "style": "a layer left out",
    },
    "data": {
        "max_bad": "no bad file allowed", "variation": "all letters alike", "points_seed": "a key", "stack_seed": "a key",
        "glyph_seed": "a key",
    },
    "metrics": {"seed": "a key"},
    "debug": {"wait": "no batch passed over", "warmup": "no batch thrown away"},
    "logger": {"init_timeout": "does not wait", "finish_timeout": "does not wait", "table": "no table"},
    "monitor": dict.fromkeys(
        ("warm_up", "vendi", "duplicates", "modes", "coverage", "similar", "fall", "recall", "kept", "narrow", "sharp",
         "authentic", "by_heart", "accuracy", "vanished", "still", "gain", "dead", "drift", "beyond", "half", "fooled",
         "plunge", "formed", "right", "faint", "flat", "floor", "updates", "lost", "late", "alike", "few"),
        "a share, or steps: never, or at once",
    ),
    "trainer": {}, "callbacks": {}, "dynamics": {}, "loss": {},
    "augment": {
        **dict.fromkeys(("blit", "geom", "color", "filter", "noise", "cutout"), "a part left out"),
        "p": "off",
    },
}  # fmt: skip
"""Group -> argument -> what 0 means."""

NEGATIVE = {
    "monitor": {"copies": "standard errors below 0"},
    "balance": {"resume_below": "an advantage below 0: until G wins"},
    "data": {"points_seed": "a key", "stack_seed": "a key", "glyph_seed": "a key"},
    "metrics": {"seed": "a key"},
}
"""Group -> argument -> what -1 means."""

VALUES = (-1, 0, math.nan, math.inf, 1e30, 10**30)
STYLE = ("style_transfer", "canvas", "backbone", "style/", "style_pair")
DERIVED = ("classes", "holdout")
"""Arguments that nobody sets."""


def overrides(option: str, folder: Path) -> list[str]:
    """What chooses the option, small; the data need not be there."""
    group, _, name = option.rpartition("/")
    chosen = f"{group}={name}"
    if any(word in option for word in STYLE):
        picture = folder / "a.png"
        Image.new("RGB", (8, 8)).save(picture)
        model = [] if group == "model" else ["model=style_transfer"]
        return [*model, chosen, f"data.content={picture}", f"data.style={picture}"]
    out = ["batch_size=8", chosen]
    if "gaussians" in name or name == "mlp_points":
        out += ["model=mlp_points", *([f"data={name}"] if group == "metrics" else [])]
        return out + (["data=gaussians_ring"] if name == "mlp_points" else [])
    own = name.removesuffix("_by_class")
    if group == "metrics" and (config_dir() / "data" / f"{own}.yaml").exists():
        out += [f"data={own}", *(["data.labels=true"] if own != name else [])]
    if group == "data" and "root:" in (config_dir() / "data" / f"{name}.yaml").read_text():
        out.append(f"data.root={folder}")
    if group != "data":
        out += ["data.resolution=16"] * (name not in ("stacked_digits", "stacked_mnist"))
    if group != "model":
        return [*out, "model=mlp"]
    if name.startswith(("progan", "msggan")):
        return [*out, *(f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64"))]
    return out + (["model.G.width=4", "model.D.width=4"] if name.startswith("dcgan") else [])


def numbers(node: Any, path: tuple[Any, ...] = (), target: str = "", argument: str = "") -> Iterator[tuple[Any, ...]]:
    """Each number below a node: its path, the class it goes to, the argument it belongs to."""
    if isinstance(node, dict):
        target, argument = (node["_target_"], "") if "_target_" in node else (target, argument)
        for key, child in node.items():
            yield from numbers(child, (*path, key), target, argument or str(key))
    elif isinstance(node, list):
        for k, child in enumerate(node):
            yield from numbers(child, (*path, k), target, argument)
    elif isinstance(node, int | float) and not isinstance(node, bool):
        yield path, target, argument


def refusal(config: dict[str, Any], group: str) -> str:
    """The sentence under which the configuration would be refused before its run has a folder; "" where it would run."""
    rest = {g: config[g] for g in ("monitor", "trainer", "logger", "callbacks", "debug") if g in config}
    sentences = check_options(config, list(groups(config_dir())))
    sentences += [at_its_place(s, config) for s in check(assemble(config) | rest)]
    if sentences:
        return "; ".join(sentences)
    try:
        if group == "trainer":
            rank_info(config["trainer"])
        elif group in ("schedule", "model"):
            build(config)
        elif group == "optimizer":
            check_optimizers(config)
            construct(config["optimizer"], "optimizer")
        elif group in ("metrics", "data", "debug"):
            construct(assemble(config)["data" if group == "debug" else group], "data" if group == "debug" else group)
            construct(config["debug"].get("profiler", {}), "debug")
        elif group == "monitor":
            construct(config["monitor"], "monitor")
        elif group in PARTS:
            construct(assemble(config)["model"][group], group)
    except (UserError, InstantiationException) as error:
        return str(known_message(error, []))
    return ""


def options(group: str) -> list[str]:
    found = [
        f"{g}/{name}" for g, names in groups(config_dir()).items() if g.partition("/")[0] == group for name in names
    ]
    return [
        option for option in found if "vgg19" not in option
    ]  # the same class as efflite0, whose weights are a package


def put(config: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    new = copy.deepcopy(config)
    at: Any = new
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return new


@pytest.mark.parametrize(
    "group", [pytest.param(g, marks=pytest.mark.slow) if g in ("model", "data") else g for g in sorted(ZERO)]
)
def test_each_number_of_a_group_has_a_range(group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path))
    seen: set[tuple[str, str]] = set()
    entry = ("schedule.lr",) if group == "schedule" else ()  # checked at both ends of a shape
    meant: set[tuple[str, int]] = set()
    wrong = []
    for option in options(group):
        config = resolved(compose(overrides(option, tmp_path))[0])
        for path, target, argument in numbers({group: config[group]}):
            if (target, argument) in seen or argument in DERIVED:
                continue
            seen.add((target, argument))
            for value in VALUES:
                sentence = refusal(put(config, path, value), group)
                listed = {0: ZERO, -1: NEGATIVE}.get(value, {}).get(group, {})  # type: ignore[call-overload]
                if argument in listed and not sentence:
                    meant.add((argument, int(value)))
                elif not any(re.search(rf"\b{key}\b", sentence) for key in (argument, path[-1], *entry)):
                    wrong.append(f"{'.'.join(map(str, path))}={value}: {sentence or 'accepted'}")
    assert wrong == []
    expected = {(k, 0) for k in ZERO[group]} | {(k, -1) for k in NEGATIVE.get(group, {})}
    assert meant == expected, "listed, and refused now"


TOP = {
    "seed": (0, -1),
    "kimg": (1, 0),
    "batch_size": (1, 0),
    "threads": (1, 0),
    "log_kimg": (1, 0),
    "checkpoint_kimg": (1, 0),
}


@pytest.mark.parametrize("name", [*TOP, "evaluate_kimg", "sample_kimg"])
def test_each_option_of_a_run_has_a_range(name: str) -> None:
    good, bad = TOP.get(name, (1, 0))
    config = resolved(compose(["model=mlp"])[0])
    known = list(groups(config_dir()))
    assert check_options(config | {name: good}, known) == []
    for value in (bad, -1, math.nan, math.inf, 1e30, 10**30):
        (sentence,) = check_options(config | {name: value}, known)
        assert sentence.startswith(f"{name}: "), sentence


OF_NULL = {
    "data=digits": {"data.limit": (0, 1.5), "data.holdout": (0, 1)},
    "model=progan_small": {"model.growth.first": (0, 6, 1024)},
}
"""Choice -> option that is null in its file -> values beside those of `VALUES` that it refuses."""


@pytest.mark.parametrize("choice", OF_NULL)
def test_options_that_are_null_have_a_range(choice: str, tmp_path: Path) -> None:
    option = choice.replace("=", "/")
    config = resolved(compose(overrides(option, tmp_path))[0])
    for name, more in OF_NULL[choice].items():
        path = tuple(name.split("."))
        for value in (*VALUES, *more):
            assert re.search(rf"\b{path[-1]}\b", refusal(put(config, path, value), path[0])), (name, value)


def test_own_classes_may_mean_infinity_and_nobody_nan() -> None:
    assert allowed_instead(math.inf, "own.Model", "limit") == ""
    assert allowed_instead(math.nan, "own.Model", "limit") == "a finite number"
    assert allowed_instead(math.inf, "seesaw.gan.module.GAN", "log_kimg") == "a finite number"
    assert allowed_instead(1e30, "own.Model", "limit") == ""
    assert allowed_instead(1e30, "seesaw.gan.module.GAN", "log_kimg") == "a number of size 1e+15 at most"
    assert allowed_instead(True, "torch.optim.SGD", "momentum") == ""
    assert allowed_instead(1.0, "torch.optim.SGD", "momentum") == "at least 0 and below 1"
