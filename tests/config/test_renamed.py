"""Keys of version 0.1 are answered with the present ones, and the present ones exist."""

from pathlib import Path

import pytest
from command_lines import Command, answered_here, refused_in_a_sentence
from hydra.errors import HydraException

from seesaw.config.renamed import RENAMED, renamed, with_moved_targets
from seesaw.errors import UserError
from seesaw.training.error_messages import known_message
from seesaw.training.preflight import compose_checked

MORE: dict[Command, str] = {
    ("model.phases=1",): "model.phases: this is now penalty, with penalty.NAME.interval",
    ("penalty.gamma=1",): "penalty.gamma: this is now penalty.r1.gamma (or penalty.r2.gamma)",
    ("+penalty.gamma=1",): "penalty.gamma: this is now penalty.r1.gamma",
    ("penalty=r1", "penalty.gamma=1"): "penalty.gamma: this is now penalty.r1.gamma",
    ("model.optimizers.D.lr=1e-3",): "model.optimizers.D.lr: this is now optimizer.D.lr",
    ("+model.optimizers.D.lr=1e-3",): "model.optimizers.D.lr: this is now optimizer.D.lr",
    ("model.optimizers.G.betas=[0,0.9]",): "model.optimizers.G.betas: this is now optimizer.G.betas",
    ("engine/optimizer@model.optimizers=rmsprop",): "this is now optimizer",
    ("model=style_transfer", "model/optimizer=lbfgs"): "model/optimizer: this is now optimizer",
    ("model=style_transfer", "model.optimizer.lr=1"): "model.optimizer.lr: this is now optimizer.canvas.lr",
    ("model.phases.D.terms.r1.gamma=1",): "model.phases.D.terms.r1.gamma: this is now penalty.r1.gamma",
    ("model=progan_small", "+model.growth.hold=9"): "model.growth.hold: this is now model.growth.stabilise",
    ("model=mlp", "penalty=wgan_gp", "penalty.drift=0"): "penalty.drift: this is now penalty.drift.weight",
    ("balance=skip_d", "balance.skip_d.rest_above=0.5"): "this is now balance.skip_d.skip_above",
    ("balance=skip_d", "+balance.skip_d.rest_above=0.5"): "this is now balance.skip_d.skip_above",
}
FITTING: list[Command] = [
    ("penalty=r1", "penalty.r1.gamma=1", "penalty.r1.interval=16"),
    ("penalty=r1_r2", "penalty.r2.gamma=1"),
    ("model=mlp", "penalty=wgan_gp", "penalty.wgan_gp.weight=1", "penalty.wgan_gp.target=2", "penalty.drift.weight=0"),
    ("model=mlp", "penalty=wgan_gp", "penalty.wgan_gp.one_sided=true"),
    ("model=mlp", "penalty=wgan_lp", "penalty.wgan_lp.weight=1", "penalty.wgan_lp.target=2"),
    ("optimizer=rmsprop", "optimizer.G.lr=1e-3", "optimizer.D.lr=1e-3"),
    ("model=progan_small", "model.growth.stabilise=10", "model.growth.batch_sizes={4:16}", "kimg=90"),
    ("balance=[skip_d,topk]", "balance.skip_d.skip_above=0.7", "balance.skip_d.resume_below=0.1",
     "balance.skip_d.max_skips=3", "balance.topk.min=0.6"),
    ("balance=instance_noise", "balance.instance_noise.std.kimg=5"),
    ("metrics.measures.kernel_digits.subsets=10", "evaluate_kimg=3", "seed=3", "log_kimg=3"),
]  # fmt: skip


@pytest.mark.parametrize("key", RENAMED)
def test_an_old_key_is_answered_with_the_present_one(key: str) -> None:
    with pytest.raises((UserError, HydraException)) as caught:
        compose_checked([f"{key}=1"])
    message = known_message(caught.value, [f"{key}=1"])
    assert message == f"{key}: this is now {RENAMED[key]}"


@pytest.mark.parametrize("command", MORE, ids=" ".join)
def test_a_command_with_an_old_key_ends_in_the_sentence(command: Command, tmp_path: Path) -> None:
    refused_in_a_sentence(answered_here(tmp_path, command), [MORE[command]])


@pytest.mark.parametrize("command", FITTING, ids=" ".join)
def test_the_present_keys_fit(command: Command, tmp_path: Path) -> None:
    done = answered_here(tmp_path, (*command, "data.resolution=16", "dry_run=true", "logger=none"))
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_key_below_an_old_one_keeps_its_end_where_the_new_one_is_a_key() -> None:
    assert renamed("model.optimizers.G.lr") == "model.optimizers.G.lr: this is now optimizer.G.lr"
    assert renamed("model.phases.D.terms.gradient_penalty.weight") == (
        "model.phases.D.terms.gradient_penalty.weight: this is now penalty.wgan_gp.weight"
    )
    assert renamed("model.phases.D_r1.every") == (
        "model.phases.D_r1.every: this is now penalty, with penalty.NAME.interval for a lazy phase"
    )
    assert renamed("penalty.drift.weigth") is None  # penalty.drift names a node today
    assert renamed("model.optimizersX") is None
    assert renamed("penalty.r1.gamma") is None


def test_saved_metrics_that_became_gated_get_names_of_their_own() -> None:
    """A value of a new definition under an old name would be compared with the old ones."""
    kl, modes = "seesaw.metrics.reverse_kl.ReverseKL", "seesaw.metrics.modes.Modes"
    extractor = {"_target_": "seesaw.metrics.extractors.stacked.StackedExtractor", "name": "digits"}
    old = {
        "modes_stacked_digits": {"_target_": modes},
        "reverse_kl_stacked_digits": {"_target_": kl},
        "confident_stacked_digits": {"_target_": "seesaw.metrics.confident.Confident"},
        "kernel_stacked_digits": {"_target_": "seesaw.metrics.kernel.Kernel"},
    }
    found = with_moved_targets({"extractor": extractor, "primary": "modes_stacked_digits", "measures": old})
    assert found["primary"] == "valid_modes_stacked_digits"
    assert {name: node["_target_"].rpartition(".")[2] for name, node in found["measures"].items()} == {
        "valid_modes_stacked_digits": "Modes",
        "valid_reverse_kl_stacked_digits": "ReverseKL",
        "valid_stacked_digits": "Valid",
        "kernel_stacked_digits": "Kernel",
    }
    assert with_moved_targets(found) == found
    points = {"_target_": "seesaw.metrics.extractors.points.PointsExtractor"}
    other = {"extractor": points, "primary": "modes_x", "measures": {"modes_x": {"_target_": modes}}}
    assert with_moved_targets(other) == other  # what is not gated keeps its name
