"""Histories of figures with planted faults, and the shipped monitor that judges them."""

import math
from typing import Any

import yaml

from seesaw.config.options import config_dir
from seesaw.monitor.failing import DDominates, Diverging, GDominates, NoProgress, Relapsed, Stalled
from seesaw.monitor.monitor import Monitor
from seesaw.monitor.samples import Collapsed, Memorising, ModeDropping
from seesaw.monitor.verdict import Verdict

RULES = {"Diverging": Diverging, "Collapsed": Collapsed, "ModeDropping": ModeDropping, "Memorising": Memorising,
         "DDominates": DDominates, "GDominates": GDominates, "Stalled": Stalled, "Relapsed": Relapsed,
         "NoProgress": NoProgress}  # fmt: skip
N = 20
"""Evaluations of a planted run, 1 kimg apart."""

ACCURACY, G_NORM, D_NORM = "train/D/accuracy", "train/grad_norm/G", "train/grad_norm/D"


def shipped(**more: Any) -> Monitor:
    """The monitor of conf/monitor/default.yaml."""
    node = yaml.safe_load((config_dir() / "monitor" / "default.yaml").read_text(encoding="utf-8"))
    node.pop("_target_")
    rules = {name: RULES[rule.pop("_target_").rpartition(".")[2]](**rule) for name, rule in node.pop("rules").items()}
    made = Monitor(rules, **node | more)
    made.begin(1000 * N)
    return made


def healthy(t: float) -> dict[str, float]:
    """Figures of a run that goes well, at the part `t` of its length: what dcgan_small shows on the digits, in round numbers."""
    learned = 1 - math.exp(-6 * t)
    return {
        "distance": 100 - 97 * learned, "coverage": 0.9 * learned**2, "recall": 0.8 * learned**2, "precision": 0.85 * learned,
        "density": 0.9 * learned, "vendi_ratio": 0.3 + 0.6 * learned, "duplicates": 0.02, "authentic": 0.7,
        "drift": 0.1 - 0.09 * t, "input_gradient": 0.2 - 0.1 * t, ACCURACY: 0.9 - 0.2 * t, G_NORM: 1 + t, D_NORM: 2 - t,
        "train/loss/D": 0.7, "train/loss/G": 2 + t, "train/D/logits_real": 1.5, "train/D/logits_fake": -1.5,
    }  # fmt: skip


def critic(t: float) -> dict[str, float]:
    """Of a healthy Wasserstein or relativistic run: D is right about every pair, and its logits have no scale."""
    return healthy(t) | {ACCURACY: 0.995, "train/loss/D": -30.0, "train/D/logits_real": 150.0, "train/D/logits_fake": 120.0}


def vae(t: float) -> dict[str, float]:
    return {name: value for name, value in healthy(t).items() if "/D" not in name and "/G" not in name and "input" not in name}


def from_start(**fault: float) -> Any:
    return lambda t: healthy(t) | fault


def after(when: float, **fault: float) -> Any:
    return lambda t: healthy(t) | (fault if t > when else {})


BAD = {"distance": 95.0, "coverage": 0.02, "precision": 0.1, "recall": 0.05}
ONE_IMAGE = {"duplicates": 1.0, "vendi_ratio": 0.02, "coverage": 0.002, "recall": 0.0, "distance": 150.0, "precision": 1.0}
FAULTS: dict[str, tuple[str, Any]] = {
    "one image": ("collapsed", after(0.5, **ONE_IMAGE)),
    "one image from the start": ("collapsed", from_start(**ONE_IMAGE)),
    "coverage falls, precision rises": ("mode_dropping", after(0.5, coverage=0.2, precision=0.95, recall=0.3)),
    "one image of each class": ("mode_dropping", from_start(duplicates=0.64, recall=0.03)),  # as a conditional ProGAN made
    "three of eight modes": (
        "mode_dropping",
        lambda t: {"mode_share": 0.375 if t > 0.5 else 1.0, "valid": 0.9, "distance": 2.0, "drift": 0.1},
    ),
    "copies": ("memorising", after(0.5, authentic=0.1, precision=1.0)),
    "copies of few images": ("memorising", from_start(authentic=0.0, precision=1.0, duplicates=1.0, recall=0.03)),
    "D knows its reals by heart": ("memorising", after(0.3, r_v=0.95)),
    "C_T": ("memorising", after(0.3, c_t=-12.0)),
    "nothing to learn from D": ("d_dominates", lambda t: healthy(t) | BAD | {ACCURACY: 1.0, G_NORM: 1e-6 if t > 0.2 else 1.0}),
    "D right and no progress": ("d_dominates", from_start(**BAD, **{ACCURACY: 1.0})),
    "D right, samples all alike": ("d_dominates", from_start(**BAD | {"precision": 0.0}, duplicates=1.0, **{ACCURACY: 1.0})),
    "all alike, D at a loss": ("collapsed", from_start(**BAD | {"precision": 0.0}, duplicates=1.0, **{ACCURACY: 0.8})),
    "a critic and no progress": ("d_dominates", lambda t: critic(t) | BAD),
    "D's layer is dead": ("g_dominates", after(0.3, **{D_NORM: 0.0})),
    "D at chance, samples bad": ("g_dominates", from_start(**BAD, **{ACCURACY: 0.5})),
    "not finite": ("diverging", after(0.5, **{"train/loss/G": math.nan})),
    "gradients explode": ("diverging", lambda t: healthy(t) | {G_NORM: 1.0 if t < 0.5 else 10.0 ** (40 * t - 17)}),
    "logits explode": ("diverging", from_start(**{"train/D/logits_real": 5e4})),
    "all that was won is lost": ("diverging", after(0.5, distance=300.0, precision=0.1, coverage=0.3, recall=0.3)),
    "D is flat": (
        "g_dominates",
        lambda t: healthy(t) | {"coverage": 0.2, "recall": 0.2, "precision": 0.3, "vendi_ratio": 0.5, ACCURACY: 0.5}
        | ({"input_gradient": 0.001} if t > 0.4 else {}),
    ),
    "D has no gradient, samples good": ("g_dominates", after(0.4, **{ACCURACY: 0.5, "input_gradient": 1e-3})),
    "slowly lost": (  # as dcgan_small at twice its learning rate
        "diverging",
        lambda t: healthy(min(t, 0.4)) | ({"distance": 25 * (1 + 2 * (t - 0.4)), "coverage": 0.7 * (1 - t), "precision": 0.3}
                                          if t > 0.4 else {}),
    ),
    "D is fooled": ("g_dominates", lambda t: healthy(t) | BAD | {"distance": 95 - 30 * t, ACCURACY: 0.2}),
    "a frozen G": ("stalled", from_start(**BAD, drift=0.0)),
}  # fmt: skip


def watched(figures: Any, monitor: Monitor) -> list[Verdict]:
    """The verdicts on a planted run."""
    found = []
    for step in range(1, N + 1):
        values = figures(step / N)
        monitor.see_window({name: value for name, value in values.items() if name.startswith("train/")}, 1000 * step)
        found.append(monitor.observe(1000 * step, {n: v for n, v in values.items() if not n.startswith("train/")}))
    return found
