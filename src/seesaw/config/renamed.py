"""Keys of the configuration of version 0.1, and what they are now; classes that have moved since."""

from typing import Any

RENAMED = {
    "model.optimizers": "optimizer",
    "model/optimizer": "optimizer",
    "model.optimizer": "optimizer.canvas",
    "engine/optimizer": "optimizer",
    "engine/optimizer@model.optimizers": "optimizer",
    "model.phases.D.terms.adversarial": "loss.d",
    "model.phases.G.terms.adversarial": "loss.g",
    "model.phases.D.terms.gradient_penalty": "penalty.wgan_gp",
    "model.phases.D.terms": "penalty",
    "model.phases.G.terms": "penalty",
    "model.phases": "penalty, with penalty.NAME.interval for a lazy phase",
    "model.balance": "balance",
    "model.schedule": "schedule",
    "model.augment": "augment",
    "model.seed": "seed",
    "model.log_kimg": "log_kimg",
    "model.growth.hold": "model.growth.stabilise",
    "penalty.gamma": "penalty.r1.gamma (or penalty.r2.gamma)",
    "penalty.weight": "penalty.wgan_gp.weight (or penalty.wgan_lp.weight)",
    "penalty.target": "penalty.wgan_gp.target (or penalty.wgan_lp.target)",
    "penalty.one_sided": "penalty=wgan_lp, or penalty.wgan_gp.one_sided",
    "penalty.drift": "penalty.drift.weight",
    "penalty.every": "penalty.NAME.interval, such as penalty.r1.interval",
    "balance.skip_d.rest_above": "balance.skip_d.skip_above",
    "balance.skip_d.wake_below": "balance.skip_d.resume_below",
    "balance.skip_d.longest_rest": "balance.skip_d.max_skips",
    "balance.topk.least": "balance.topk.min",
    "balance.instance_noise.kimg": "balance.instance_noise.std.kimg",
    "data.batch_size": "batch_size (a growing model's sizes are model.growth.batch_sizes)",
    "data.seed": "seed",
    "data.cache_dir": "cache_dir",
    "data.level": "model.growth",
    "metrics.evaluate_kimg": "evaluate_kimg",
    "metrics.cache_dir": "cache_dir",
    "metrics.kimg": "kimg",
    "metrics.kernel_subsets": "metrics.measures.NAME.subsets",
}
"""Keys of version 0.1 and the present ones. A key below one of them is answered likewise."""


STILL_THERE = ("penalty.drift",)
"""Of the keys above those that name a node today: a key below them is no old one."""


def renamed(key: str) -> str | None:
    """The sentence for a key of an earlier version, or None."""
    for old in sorted(RENAMED, key=len, reverse=True):
        if key == old or (old not in STILL_THERE and key.startswith((f"{old}.", f"{old}/", f"{old}@"))):
            now = RENAMED[old]
            rest = key[len(old) :] if now.replace("_", "").replace(".", "").isalnum() else ""
            return f"{key}: this is now {now}{rest}"
    return None


MOVED = {
    "seesaw.data.files.CelebA": "seesaw.data.sources.celeba.CelebA",
    "seesaw.data.files.CelebAHQ": "seesaw.data.sources.celeba_hq.CelebAHQ",
    "seesaw.data.files.FFHQ": "seesaw.data.sources.ffhq.FFHQ",
    "seesaw.data.files.Folder": "seesaw.data.sources.folder.Folder",
    "seesaw.data.photos": "seesaw.data.sources.style_pair",
    "seesaw.data.points": "seesaw.data.sources.gaussians",
    "seesaw.data.sets.CIFAR10": "seesaw.data.sources.cifar10.CIFAR10",
    "seesaw.data.sets.Digits": "seesaw.data.sources.digits.Digits",
    "seesaw.data.sets.FashionMNIST": "seesaw.data.sources.mnist.FashionMNIST",
    "seesaw.data.sets.MNIST": "seesaw.data.sources.mnist.MNIST",
    "seesaw.data.sets.StackedDigits": "seesaw.data.sources.stacked.StackedDigits",
    "seesaw.data.sets.StackedMNIST": "seesaw.data.sources.stacked.StackedMNIST",
    "seesaw.metrics.confident.Confident": "seesaw.metrics.valid.Valid",
    "seesaw.metrics.callback": "seesaw.training.callbacks.evaluate",
    "seesaw.metrics.efficientnet": "seesaw.metrics.extractors.efficientnet",
    "seesaw.metrics.extractors": "seesaw.metrics.extractors.base",
    "seesaw.metrics.inception": "seesaw.metrics.extractors.inception",
    "seesaw.metrics.points": "seesaw.metrics.extractors.points",
    "seesaw.metrics.stacked": "seesaw.metrics.extractors.stacked",
    "seesaw.run.profiler": "seesaw.training.profiler",
    "seesaw.run.tensorboard_log": "seesaw.training.loggers.tensorboard_log",
    "seesaw.run.wandb_log": "seesaw.training.loggers.wandb_log",
}
"""Modules and classes that saved configurations of checkpoint format 2 name, from before the layout changed, and their present
place. The classes of a module keep their names."""


def with_moved_targets(node: Any) -> Any:
    """The same plain configuration with every `_target_` in its present place. Containers are copied."""
    if isinstance(node, list):
        return [with_moved_targets(child) for child in node]
    if not isinstance(node, dict):
        return node
    found = {key: with_moved_targets(child) for key, child in node.items()}
    if isinstance(target := found.get("_target_"), str):
        module, _, name = target.rpartition(".")
        found["_target_"] = MOVED.get(target) or (f"{MOVED[module]}.{name}" if module in MOVED else target)
    return _with_gated_names(found)


GATED = ("seesaw.metrics.valid.Valid", "seesaw.metrics.modes.Modes", "seesaw.metrics.reverse_kl.ReverseKL")
"""Metrics that count valid images alone where the extractor classifies; before, they counted all."""

CLASSIFIERS = (
    "seesaw.metrics.extractors.base.ClassifierExtractor",
    "seesaw.metrics.extractors.stacked.StackedExtractor",
)


def gated_name(name: str) -> str:
    """The name of today of such a metric: valid_modes_digits for modes_digits, valid_digits for confident_digits."""
    return f"valid_{name.removeprefix('confident_')}"


def _with_gated_names(node: dict[str, Any]) -> dict[str, Any]:
    """A node `metrics` with these metrics under the names of today, so that no value of another definition has an old name."""
    extractor, measures = node.get("extractor"), node.get("measures")
    if not (isinstance(extractor, dict) and extractor.get("_target_") in CLASSIFIERS and isinstance(measures, dict)):
        return node
    names = {name: name for name in measures}
    for name, metric in measures.items():
        if isinstance(metric, dict) and metric.get("_target_") in GATED and not str(name).startswith("valid_"):
            names[name] = gated_name(str(name))
    primary = node.get("primary")
    found = node | {"measures": {names[name]: metric for name, metric in measures.items()}}
    return found | {"primary": names[primary]} if isinstance(primary, str) and primary in names else found
