"""What each constructor receives: groups and options by their names, schedules where they are annotated."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.errors import HydraException

from seesaw.config.allowed import PARTS
from seesaw.config.assemble import assemble, check_entries, takes, unused, without_unused
from seesaw.errors import UserError
from seesaw.gan.schedules import Constant, Cosine, Linear
from seesaw.training.build import build, construct
from seesaw.training.error_messages import known_message
from seesaw.training.preflight import build_checked, compose_checked

OWN = """
from collections.abc import Mapping
from typing import Any
from seesaw.gan.module import GAN
from seesaw.types import Schedule

class Wide(GAN):
    def __init__(self, G, D, extra: int = 1, **kwargs: Any) -> None:
        super().__init__(G, D, **kwargs)
        self.extra = extra

class Narrow(GAN):
    def __init__(self, G, D, loss, optimizer, kimg: float, micro_batch=None) -> None:
        super().__init__(G, D, loss, optimizer)
        self.kimg = kimg

class Numbers:
    def __init__(self, one: Schedule, other: Schedule | None = None, many: Mapping[str, Schedule] | None = None,
                 plain: dict[str, Any] | None = None, seed: int = 0) -> None:
        self.one, self.other, self.many, self.plain, self.seed = one, other, many, plain, seed
"""
SMALL = ["model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "data.resolution=16", "packages=[own_models]"]


@pytest.fixture(autouse=True)
def _own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own_models.py").write_text(OWN)
    monkeypatch.syspath_prepend(tmp_path)  # type: ignore[no-untyped-call]


def refused(*overrides: str) -> str:
    """The sentence with which a run of these overrides is refused."""
    with pytest.raises((UserError, HydraException)) as caught:
        build_checked(compose_checked(list(overrides)), devices=1)
    words = known_message(caught.value, list(overrides))
    assert words is not None
    assert "\n" not in words
    return words


# Groups and options


def test_a_constructor_receives_the_groups_and_options_that_it_names() -> None:
    config = compose_checked(["model=dcgan_small", "balance=[ttur,skip_d]", "seed=7", "cache_dir=elsewhere"])
    nodes = assemble(config)
    parts = set(PARTS)
    assert parts | {"seed", "log_kimg"} <= set(nodes["model"])
    assert {name: nodes["model"][name] for name in parts} == {name: config[name] for name in parts}
    assert not {"kimg", "batch_size", "cache_dir"} & set(nodes["model"])  # a GAN names none of them
    assert {key: nodes["data"][key] for key in ("batch_size", "seed", "cache_dir")} == {
        "batch_size": 64, "seed": 7, "cache_dir": "elsewhere",
    }  # fmt: skip
    assert {key: nodes["metrics"][key] for key in ("evaluate_kimg", "kimg", "cache_dir")} == {
        "evaluate_kimg": 25, "kimg": 400, "cache_dir": "elsewhere",
    }  # fmt: skip
    assert nodes["metrics"]["batch_size"] == config["metrics"]["batch_size"] == 256  # its own key comes first


def test_data_receive_the_growth_of_the_model() -> None:
    config = compose_checked(["model=progan_small", "data.resolution=16"])
    assert assemble(config)["data"]["growth"] == config["model"]["growth"]
    assert "growth" not in config["data"]
    _, data = build(config)
    assert [data.batch_size_at(images) for images in (0, 20_000)] == [32, 32]


def test_a_subclass_that_passes_keywords_on_receives_all_groups() -> None:
    config = compose_checked([*SMALL, "model._target_=own_models.Wide", "+model.extra=3", "penalty=r1", "balance=ttur"])
    assert takes(config["model"]) >= {"extra", "loss", "penalty", "balance", "schedule", "seed", "log_kimg"}
    gan: Any
    gan, _ = build(config)
    assert gan.extra == 3
    assert [*gan.phases["D"].terms] == ["r1", "adversarial"]
    assert [type(part).__name__ for part in gan.parts] == ["TTUR"]


def test_one_that_names_its_arguments_receives_these_alone() -> None:
    only = ["model._target_=own_models.Narrow", *(f"~model.{key}" for key in (
        "order", "view", "growth", "ema_half_life", "ema_ramp",
        "fresh_reals", "share_fakes", "fake_labels", "freeze_d", "compile"))]  # fmt: skip
    config = compose_checked([*SMALL, *only, "kimg=3"])
    assert set(config) & set(PARTS) == {"loss", "optimizer"}
    gan: Any
    gan, _ = build(config)
    assert gan.kimg == 3
    assert "penalty: model=mlp has no use for augment, balance, dynamics, penalty, schedule" in refused(
        *SMALL, *only, "penalty=r1"
    )


def test_a_group_that_an_experiment_chose_and_the_model_does_not_take_is_refused() -> None:
    """It is not on the command line: the choice differs from train.yaml's."""
    config = compose_checked(["model=style_transfer", "data.content=a", "data.style=b"]) | {"loss": {"d": {}, "g": {}}}
    usual = {"loss": "non_saturating", "optimizer": "adam"}
    chosen = {"model": "style_transfer", "loss": "hinge", "optimizer": "canvas_adam"}
    assert unused(config, [], chosen, usual) == ["loss=hinge: model=style_transfer has no use for loss; leave it out"]
    assert unused(config, [], chosen | {"loss": "non_saturating"}, usual) == []
    assert "loss" not in without_unused(config)


# Misplaced keys


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        ("penalty=r1 +penalty.every=16", "penalty.every: this is now penalty.NAME.interval, such as penalty.r1.interval"),
        ("penalty=r1 +penalty.intervall=16", "penalty.intervall: 16 is no part of penalty, since it has no _target_; keys "
         "stand below a part, as penalty.r1.KEY; did you mean 'interval'? (known: gamma, interval)"),
        ("penalty=r1 penalty.r1=3", "penalty.r1: 3 is no part of penalty"),
        ("+penalty.r2={gamma:3}", "penalty.r2: {'gamma': 3} is no part of penalty"),
        ("loss.d=null", "loss.d: null is no part of loss"),
        ("+optimizer.E.lr=1", "keys stand below a part, as optimizer.G.KEY or optimizer.D.KEY (known: lr, betas, eps, fused)"),
        ("+callbacks.x=1", "callbacks.x: 1 is no part of callbacks"),
        ("schedule.lr=hot", "schedule.lr: 'hot' is not allowed; give a number or {shape: constant, linear or cosine, start: …"),
        ("+schedule.beta2={shap:cosine,start:1}", "schedule.beta2: {'shap': 'cosine', 'start': 1} is not allowed; give a number"),
        ("+schedule.beta1=0.9", "schedule has lr and beta2, and no beta1"),
        ("penalty=r1 +penalty.r1.intervall=16", "penalty.r1.intervall: seesaw.gan.penalties.R1 has no such argument; did you mean"
         " 'interval'? (known: gamma, interval)"),
        ("+metrics.batch_sizes=3", "metrics.batch_sizes: seesaw.training.callbacks.evaluate.Evaluate has no such argument"),
    ],
)  # fmt: skip
def test_a_misplaced_key_is_refused_with_where_it_belongs(overrides: str, words: str) -> None:
    assert words in refused(*SMALL, *overrides.split())


def test_every_entry_that_is_a_node_or_a_number_of_schedule_passes() -> None:
    node = {"_target_": "x"}
    groups = {group: {"a": node} for group in (*PARTS, "logger", "callbacks")}
    assert check_entries(groups | {"schedule": {"lr": 0.5, "beta2": {"shape": "cosine"}}, "debug": {"x": 1}}) == []


# Schedules


def numbers(**values: Any) -> Any:
    """The object that receives these values, with a run of 8 kimg."""
    node = {"_target_": "own_models.Numbers", **values}
    return construct(assemble({"kimg": 8.0, "seed": 5, "data": node, "model": {}})["data"], "data", ["own_models"])


def test_a_shape_becomes_a_schedule_where_the_annotation_asks_for_one() -> None:
    shape = {"shape": "cosine", "start": 9, "end": 1}
    made = numbers(one=shape, other={"shape": "linear", "start": 0, "end": 4, "kimg": 2}, plain={"shape": "cosine"})
    assert (type(made.one), made.one.kimg, made.seed) == (Cosine, 8.0, 5)
    assert [made.one(images) for images in (0, 2000, 4000, 8000, 9000)] == pytest.approx(
        [1 + 8 * (1 + math.cos(math.pi * p)) / 2 for p in (0, 0.25, 0.5, 1, 1)]
    )
    assert [made.other(images) for images in (0, 500, 2000)] == [0, 1, 4]
    assert made.plain == {"shape": "cosine"}
    made = numbers(one={"shape": "constant", "value": 3, "warmup_kimg": 1}, many={"a": shape, "b": 0.5})
    assert (type(made.one), made.one(500), made.one(1000)) == (Constant, 1.5, 3)
    assert (type(made.many["a"]), made.many["b"]) == (Cosine, 0.5)
    assert numbers(one=2.5).one == 2.5


PLACES: dict[str, Callable[[Any], Any]] = {
    "penalty.r1.gamma": lambda gan: gan.phases["D"].terms["r1"].gamma,
    "model.ema_half_life": lambda gan: gan.ema_half_life,
    "balance.instance_noise.std": lambda gan: gan.balance["instance_noise"].std,
    "+schedule.beta2": lambda gan: gan.schedule["beta2"],
}
RUN = ["model=mlp", "data.resolution=16", "penalty=r1", "balance=instance_noise", "kimg=8"]


@pytest.mark.parametrize("key", PLACES)
def test_any_scheduled_number_takes_a_shape(key: str) -> None:
    """Its default length is the run's. The saved configuration keeps what the user typed."""
    config = compose_checked([*RUN, f"{key}={{shape: cosine, start: 0.9, end: 0.5}}"])
    node: Any = config
    for part in key.lstrip("+").split("."):
        node = node[part]
    assert {k: v for k, v in node.items() if k != "kimg"} == {"shape": "cosine", "start": 0.9, "end": 0.5}
    found = PLACES[key](build(config)[0])
    assert (type(found), found.start, found.end, found.kimg) == (Cosine, 0.9, 0.5, 8)
    assert found(4000) == pytest.approx(0.7)
    shorter = compose_checked([*RUN, f"{key}={{shape: linear, start: 0.9, end: 0.5, kimg: 4}}"])
    found = PLACES[key](build(shorter)[0])
    assert (type(found), found(2000), found(4000)) == (Linear, pytest.approx(0.7), 0.5)


@pytest.mark.parametrize("key", PLACES)
def test_mistakes_in_a_shape_are_one_sentence_with_their_key(key: str) -> None:
    name = key.lstrip("+")
    assert refused(*RUN, f"{key}={{shape: cos, start: 1, end: 2}}") == (
        f"{name}: shape is cos; it must be one of constant, linear, cosine"
    )
    words = refused(*RUN, f"{key}={{shape: cosine, strt: 0.5, end: 0.2}}")
    assert words.startswith(f"{name}.strt: ")
    assert "; did you mean 'start'?" in words
    assert f"{name}.start: 'hot' is not allowed; give a number" in refused(
        *RUN, f"{key}={{shape: cosine, start: hot, end: 0.2}}"
    )
    assert "it must be at least 0" in refused(*RUN, f"{key}={{shape: cosine, start: 0.5, end: -1}}")


def test_whole_numbers_among_betas_become_floats() -> None:
    """torch refuses [0, 0.99]; the configuration keeps what was given."""
    config = compose_checked(["model=mlp", "optimizer.G.betas=[0,0.9]", "optimizer=adamw"])
    assert config["optimizer"]["G"]["betas"] == [0, 0.9]
    betas = assemble(config)["model"]["optimizer"]["G"]["betas"]
    assert [type(beta) for beta in betas] == [float, float]
    torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], betas=tuple(betas))
    assert assemble(config)["model"]["G"]["widths"] == config["model"]["G"]["widths"]  # tuple[int, …] stays so
