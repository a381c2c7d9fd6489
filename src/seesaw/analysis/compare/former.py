"""Runs that were written before checkpoints had a format (commit fe0cea8 and earlier), under the names of today.

The tables are frozen: a run of today brings its own directions in status.json, and new metrics do not stand here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

RENAMED = (
    (r"kimg|images|(?:train|eval|samples)/.+", r"\g<0>"),
    (r"rests/([GD])", r"balance/skipped/\1"),
    (r"balance/resting", "balance/skipping"),
    (r"balance/.+", r"\g<0>"),
    (r"D/gradient_penalty", "train/D/wgan_gp"),
    (r".+/.+|loss|iteration|size|images_per_sec|iterations_per_sec", r"train/\g<0>"),
    (r".+", r"eval/\g<0>"),
)
"""Pattern of a whole column, and its name today; the first match counts."""

HIGHER = ("eval/modes_", "eval/confident_", "eval/high_quality_")
"""Columns that begin so were better when larger."""

DISTANCES = ("eval/frechet_", "eval/fid", "eval/kernel_", "eval/kid")
"""The first column that begins so is what a run was judged by that did not note it before its end."""

KEYS = {
    "skip_d": {"rest_above": "skip_above", "wake_below": "resume_below", "longest_rest": "max_skips"},
    "topk": {"least": "min"},
}
"""Balance part -> former key -> key."""

COPIES = ("recipe", "balance", "schedule", "augment", "seed", "log_kimg", "kimg")
"""What interpolation copied under `model`, and the recommendations."""

METRICS = {
    "InceptionExtractor": ("fid", {"fid": "frechet.Frechet", "kid": "kernel.Kernel"}),
    "EfficientNetLite0Extractor": ("kid_efflite0", {"fid_efflite0": "frechet.Frechet", "kid_efflite0": "kernel.Kernel"}),
    "ClassifierExtractor": ("frechet_{name}", {
        "frechet_{name}": "frechet.Frechet", "kernel_{name}": "kernel.Kernel", "valid_modes_{name}": "modes.Modes",
        "valid_{name}": "valid.Valid",
    }),
    "StackedExtractor": ("frechet_stacked_{name}", {
        "frechet_stacked_{name}": "frechet.Frechet", "kernel_stacked_{name}": "kernel.Kernel",
        "valid_modes_stacked_{name}": "modes.Modes",
        "valid_reverse_kl_stacked_{name}": "reverse_kl.ReverseKL", "valid_stacked_{name}": "valid.Valid",
    }),
    "PointsExtractor": ("reverse_kl_gaussians_{kind}", {
        "frechet_gaussians_{kind}": "frechet.Frechet", "kernel_gaussians_{kind}": "kernel.Kernel",
        "modes_gaussians_{kind}": "modes.Modes", "high_quality_gaussians_{kind}": "high_quality.HighQuality",
        "reverse_kl_gaussians_{kind}": "reverse_kl.ReverseKL", "mode_kl_gaussians_{kind}": "mode_kl.ModeKL",
    }),
}  # fmt: skip
"""Extractor, which named the metrics -> the primary one, and all with their classes of today."""


def column(name: str) -> str:
    """The name today of a column of metrics.csv; one of today stays as it is."""
    for pattern, today in RENAMED:
        if match := re.fullmatch(pattern, name):
            return match.expand(today)
    return name


def modern(config: dict[str, Any], choices: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """A configuration and what was chosen of each group, in the layout of today, so that runs of the same settings are
    repeats of each other. One that is of today already, or that cannot be understood, stays as it is."""
    model = config.get("model")
    if not isinstance(model, dict) or "recipe" not in model:
        return config, dict(choices)
    try:
        return _modern(config, model), _choices(choices, model)
    except (AttributeError, KeyError, TypeError):
        return config, dict(choices)


def _modern(config: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in model.items() if key not in COPIES}
    made = config | {"packages": [], "callbacks": {}, "debug": {}}
    if "phases" not in model:  # style transfer
        unused = ("loss", "penalty", "augment", "balance", "schedule")
        made = {key: value for key, value in made.items() if key not in unused}
        return made | {"optimizer": {"canvas": own.pop("optimizer")}, "model": own, "data": _data(config["data"])}
    phases = own.pop("phases")
    made["optimizer"] = own.pop("optimizers")
    made["penalty"] = dict(_penalties(phases))
    made["loss"] = {p.lower(): _renamed(phases[p]["terms"]["adversarial"], "losses") for p in ("D", "G")}
    made["augment"] = {} if str(config["augment"].get("_target_")).endswith(".Identity") else config["augment"]
    made["balance"] = {name: _balance(name, part, config["kimg"]) for name, part in config["balance"].items()}
    made["dynamics"] = {"alternating": {"_target_": "seesaw.gan.dynamics.Alternating"}}
    made["data"], made["metrics"] = _data(config["data"]), _metrics(config["metrics"])
    own["growth"] = _growth(own["growth"], config["data"])
    if rest := _unusual(phases):
        own["phases"] = rest
    return made | {"model": {"order": ["D", "G"]} | own}


def _choices(choices: Mapping[str, str], model: dict[str, Any]) -> dict[str, str]:
    if not choices:
        return {}
    usual = {"callbacks": "none", "debug": "none"}
    if "phases" not in model:
        rest = {group: option for group, option in choices.items() if group != "model/optimizer"}
        return usual | rest | {"optimizer": f"canvas_{choices.get('model/optimizer', 'adam')}"}
    kind = str(model["optimizers"]["D"].get("_target_")).rpartition(".")[2].lower()
    return usual | {"optimizer": kind, "dynamics": "alternating"} | dict(choices)


def _renamed(term: dict[str, Any], module: str) -> dict[str, Any]:
    target = str(term.get("_target_")).replace("seesaw.gan.terms.", f"seesaw.gan.{module}.")
    return term | {"_target_": target}


def _penalties(phases: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The terms of the phases but the adversarial ones, by name."""
    for phase in phases.values():
        for name, term in phase["terms"].items():
            if name != "adversarial":
                lipschitz = "wgan_lp" if term.get("one_sided") else "wgan_gp"
                today = lipschitz if name == "gradient_penalty" else name
                yield today, _renamed(term, "penalties") | {"interval": phase.get("every", 1)}


def _unusual(phases: dict[str, Any]) -> dict[str, Any]:
    """What was set of the phases by hand; a lazy phase has its interval as its gain today."""
    found: dict[str, Any] = {}
    for name, phase in phases.items():
        usual = {"gain": (1.0, phase.get("every", 1)), "share": (1.0,)}
        if own := {key: phase[key] for key, values in usual.items() if phase.get(key, 1.0) not in values}:
            found[name] = own
    return found


def _balance(name: str, part: dict[str, Any], kimg: float) -> dict[str, Any]:
    made = {KEYS.get(name, {}).get(key, key): value for key, value in part.items()}
    if name == "instance_noise":
        until = {} if made["kimg"] == kimg else {"kimg": made["kimg"]}
        made = {"_target_": made["_target_"], "std": {"shape": "linear", "start": made["std"], "end": 0.0} | until}
    return made


def _data(data: dict[str, Any]) -> dict[str, Any]:
    copies = ("batch_size", "seed", "cache_dir", "level")
    kept = {key: value for key, value in data.items() if key not in copies}
    return kept | ({"labels": False, "classes": 0} if "flip" in data else {})


def _growth(growth: dict[str, Any], data: dict[str, Any]) -> dict[str, Any]:
    made = {{"hold": "stabilise"}.get(key, key): value for key, value in growth.items()}
    size = data.get("batch_size")
    return made | ({"batch_sizes": size["sizes"]} if isinstance(size, dict) else {})


def _metrics(metrics: dict[str, Any]) -> dict[str, Any]:
    if "extractor" not in metrics:
        return metrics
    extractor = metrics["extractor"]
    primary, classes = METRICS[str(extractor["_target_"]).rpartition(".")[2]]
    measures: dict[str, dict[str, Any]] = {
        name.format(**extractor): {"_target_": f"seesaw.metrics.{cls}"} for name, cls in classes.items()
    }
    for node in measures.values():
        if node["_target_"].endswith(".Kernel"):
            node["subsets"] = metrics.get("kernel_subsets")
    copies = ("evaluate_kimg", "kimg", "cache_dir", "kernel_subsets", "seed")
    kept = {key: value for key, value in metrics.items() if key not in copies}
    seed = {"latent_seed": metrics["seed"]} if "seed" in metrics else {}
    return kept | seed | {"primary": primary.format(**extractor), "measures": measures}
