"""One way to compose: groups beside the model, each value once, recommendations that leave nothing behind."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from omegaconf import OmegaConf
from PIL import Image

from seesaw.cli import train as entry
from seesaw.config.allowed import PARTS
from seesaw.config.compose import choices_of, compose, recommendations, resolved
from seesaw.config.options import config_dir, groups
from seesaw.errors import UserError
from seesaw.training.build import build
from seesaw.training.differences import differences, flat
from seesaw.training.dry_run import check_optimizers
from seesaw.training.preflight import build_checked, checked, compose_checked

CONF = config_dir()
SMALL = {
    "dcgan": ["model.G.width=4", "model.D.width=4"],
    "mlp": ["model.G.widths=[8]", "model.D.widths=[8]"],
    "progan": [f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")],
}
SMALL |= {"msggan": SMALL["progan"], "r3gan": SMALL["progan"], "stylegan2": [*SMALL["progan"], "model.G.w_dim=8"]}
SMALL |= {"sngan": [*SMALL["dcgan"], "model.G.max_width=4", "model.D.max_width=4"], "biggan": SMALL["dcgan"]}
SMALL |= {"projected": [*SMALL["dcgan"], "model.D.size=64"], "vae": ["model.encoder.width=4", "model.decoder.width=4"]}
MODELS = groups(CONF)["model"]
GANS = [model for model in MODELS if model != "style_transfer" and not model.startswith("vae")]
STYLE = ["model=style_transfer", "data.content=a.png", "data.style=b.png"]


def small(model: str) -> list[str]:
    data = "data=gaussians_ring" if model == "mlp_points" else f"data.resolution={32 if model == 'sngan_64' else 16}"
    return [f"model={model}", data, *SMALL[model.partition("_")[0]]]


def refused(*overrides: str) -> str:
    """The sentence with which these overrides are refused."""
    with pytest.raises(UserError) as caught:
        compose_checked(list(overrides))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def texts() -> Iterator[tuple[str, str]]:
    """(file, interpolation) of everything in conf/ that is read from elsewhere."""
    for file in CONF.rglob("*.yaml"):
        for line in file.read_text().splitlines():
            for found in re.findall(r"\$\{([^}]*)\}", line.partition("#")[0]):
                yield file.relative_to(CONF).as_posix(), found


# What a configuration holds


def test_interpolations_read_options_recommendations_and_facts_alone() -> None:
    known = re.compile(
        r"kimg|data\.\w+|(oc\.select:)?model\.recipe\.[\w.]+(,.*)?|oc\.env:.*|oc\.select:(balance\.pac\.m,1|data\.classes,0)|now:.*|hydra\.job\.num"
    )
    others = {(file, text) for file, text in texts() if not known.fullmatch(text)}
    rules = {(file, text) for file, text in others if file == "model/stylegan2_auto.yaml"}  # of resolution and batch
    assert {re.sub(r"stylegan2_auto\.\w+:", "", text) for _, text in rules} == {"batch_size", "${data.resolution", "${batch_size"}
    assert others - rules == {
        ("penalty/r1_r2.yaml", "penalty.r1.gamma"), ("penalty/r1_r2.yaml", "penalty.r1.interval"),
        ("penalty/ar1_ar2.yaml", "penalty.ar1.gamma"), ("penalty/ar1_ar2.yaml", "penalty.ar1.interval"),
        ("penalty/ar1_ar2.yaml", "penalty.ar1.sigma"), ("metrics/glyphs.yaml", "oc.select:data.alphabet,upper"),
        ("metrics/_images.yaml", "oc.select:data.holdout,null"),
    }  # fmt: skip


def test_each_value_stands_once_and_nothing_is_copied_under_the_model() -> None:
    numbers = {"penalty.r1.gamma": 0.123, "optimizer.D.lr": 0.00123, "seed": 1234567, "batch_size": 24, "log_kimg": 0.77,
               "balance.ttur.D": 1.77, "evaluate_kimg": 3.33}  # fmt: skip
    overrides = [f"{key}={value}" for key, value in numbers.items()]
    config = compose_checked(["model=dcgan", "penalty=r1", "balance=ttur", *overrides])
    leaves = flat(config)
    for key, value in numbers.items():
        assert [name for name, found in leaves.items() if found == value] == [key]
    assert not set(config["model"]) & {*PARTS, "seed", "log_kimg", "kimg", "batch_size"}
    for group in ("data", "metrics"):
        assert not set(config[group]) & {"seed", "cache_dir", "evaluate_kimg", "kimg", "growth"}


@pytest.mark.parametrize("model", MODELS)
def test_recommendations_are_in_their_places_and_gone(model: str) -> None:
    options = STYLE if model == "style_transfer" else small(model)
    config, cfg = compose_checked(options), compose(options)[0]
    assert "recipe" not in yaml.safe_dump(config)
    recipe = OmegaConf.to_container(cfg.model.recipe, resolve=True)
    assert isinstance(recipe, dict)
    assert (config["kimg"], config["batch_size"]) == (recipe["kimg"], recipe["batch_size"])
    rates = {player: node["lr"] for player, node in config["optimizer"].items()}
    assert model == "style_transfer" or rates == recipe.get("lr", {"G": 2e-4, "D": 2e-4})


def test_a_recommended_number_reaches_its_group() -> None:
    config = compose_checked(["model=dcgan_small", "+model.recipe.gamma=0.77", "+model.recipe.beta1=0.1",
                              "model.recipe.lr.D=0.004", "+model.recipe.flip=true", "model.recipe.kimg=7"])  # fmt: skip
    assert config["penalty"]["r1"]["gamma"] == 0.77
    assert [config["optimizer"][player]["betas"] for player in "GD"] == [[0.1, 0.999]] * 2
    assert (config["optimizer"]["G"]["lr"], config["optimizer"]["D"]["lr"]) == (1e-3, 0.004)
    assert (config["data"]["flip"], config["kimg"]) == (True, 7)
    assert compose_checked(["model=progan"])["optimizer"]["D"]["betas"] == [0.0, 0.99]


def test_every_recommendation_is_read_somewhere_and_others_are_refused() -> None:
    for model in groups(CONF)["model"]:
        resolved(compose([f"model={model}", *(STYLE[1:] if model == "style_transfer" else [])])[0])
    assert {"kimg", "batch_size", "gamma", "lr.G", "lr.D", "beta1", "beta2", "gp_target", "flip"} <= recommendations()
    assert refused("+model.recipe.gama=3").startswith(
        "model.recipe.gama: no option or group takes this number; did you mean 'gamma'? (known: augment_p, batch_size, beta1,"
    )
    assert "model.recipe.lr.X: no option or group takes this number" in refused("+model.recipe.lr.X=1")
    assert refused("model.recipe=3") == "model.recipe: 3 is not allowed; give a mapping of numbers"


# Which value wins


def test_the_command_line_goes_before_the_experiment_the_model_and_the_data() -> None:
    def found(*overrides: str) -> tuple[Any, ...]:
        cfg, choices = compose(list(overrides))
        config = resolved(cfg)
        return choices["loss"], choices["optimizer"], choices["penalty"], config["batch_size"], config["data"]["flip"]

    assert found("model=mlp") == ("non_saturating", "adam", "none", 64, False)
    assert found("model=msggan") == ("wasserstein", "rmsprop", "wgan_gp", 16, False)
    assert found("experiment=msggan_code") == ("relativistic_hinge", "adam", "none", 20, True)
    assert found("experiment=msggan_code", "loss=hinge", "penalty=r1", "batch_size=12", "data.flip=false") == (
        "hinge", "adam", "r1", 12, False,
    )  # fmt: skip
    _, choices = compose(["data=mnist"])
    assert (choices["metrics"], compose(["data=mnist", "metrics=fid"])[1]["metrics"]) == ("mnist", "fid")
    code = ["experiment=pytorch_examples_dcgan"]  # an experiment's recommendation goes before the set's own size
    several = (["model=dcgan"], code, [*code, "data.resolution=32"])
    sizes = [resolved(compose(overrides)[0])["data"]["resolution"] for overrides in several]
    assert sizes == [32, 64, 32]


RECOMMENDED = {group: groups(CONF)[group] for group in ("loss", "penalty", "schedule", "optimizer")}


@cache
def composed_with(model: str, number: int) -> Any:
    """The configuration with the option of this number of each group, where it has so many."""
    chosen = [f"{group}={options[number]}" for group, options in RECOMMENDED.items() if number < len(options)]
    return compose([f"model={model}", *chosen])[0]


def keys_of(model: str, group: str, option: str) -> set[str]:
    """The keys that the group has beside a model."""
    node = composed_with(model, RECOMMENDED[group].index(option))[group]
    return set(flat(OmegaConf.to_container(node)))


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group, options in RECOMMENDED.items() for option in options]
)
def test_a_group_holds_its_own_option_alone_whatever_the_model_recommends(group: str, option: str) -> None:
    """No residue of what the model chose: the keys beside mlp, which chooses nothing."""
    beside_mlp = keys_of("mlp", group, option)
    assert keys_of("dcgan_small", group, option) == keys_of("msggan", group, option) == beside_mlp


def test_no_model_or_experiment_writes_into_another_group() -> None:
    """With another option chosen there, Hydra would keep what was written: they give numbers in `recipe` alone."""
    others = {*groups(CONF), *PARTS} - {"model"}
    for file in (*CONF.glob("experiment/*.yaml"), *CONF.glob("model/**/*.yaml")):
        content = yaml.safe_load(file.read_text())
        if set(content.get("data") or {}) <= {"labels"}:  # every set takes them
            content.pop("data", None)
        assert not others & set(content) - {"backbone", "style"}, file
        assert file.parent.name == "experiment" or "@package" not in file.read_text()


@pytest.mark.parametrize("model", GANS)
def test_no_penalty_is_an_empty_mapping(model: str) -> None:
    options = ["loss=hinge", "penalty=none"]
    assert compose_checked([*small(model), *options])["penalty"] == {}
    chosen = compose_checked([*small(model), *options[:1], "penalty=wgan_gp"])["penalty"]
    assert {name: node["_target_"].rpartition(".")[2] for name, node in chosen.items()} == {
        "wgan_gp": "GradientPenalty", "drift": "Drift",
    }  # fmt: skip


OPTIMIZERS = [o for o in groups(CONF)["optimizer"] if not o.startswith(("canvas", "vae"))]
PAIRS = [(m, o) for m in GANS for o in OPTIMIZERS]
ONE_EACH = {(m, OPTIMIZERS[k % len(OPTIMIZERS)]) for k, m in enumerate(GANS)}


@pytest.mark.parametrize(
    ("model", "optimizer"), [pytest.param(*p, marks=() if p in ONE_EACH else pytest.mark.slow) for p in PAIRS]
)
def test_every_optimizer_fits_every_gan(model: str, optimizer: str) -> None:
    """R3GAN's own schedule sets betas, which not all have."""
    overrides = [*small(model), f"optimizer={optimizer}", *(["schedule=cosine"] if model.startswith("r3gan") else [])]
    cfg, choices = compose(overrides)
    recipe = OmegaConf.to_container(cfg.model.recipe, resolve=True)
    assert isinstance(recipe, dict)
    config = checked(cfg, overrides, choices)
    check_optimizers(config)
    kinds = {"adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop", "sgd": "SGD"}
    assert {node["_target_"] for node in config["optimizer"].values()} == {f"torch.optim.{kinds[optimizer]}"}
    rates = {player: node["lr"] for player, node in config["optimizer"].items()}
    assert rates == recipe.get("lr", {"G": 2e-4, "D": 2e-4})


# Lists and choices


def test_lists_of_options_merge_and_are_named_by_their_keys() -> None:
    cfg, choices = compose(["model=mlp", "penalty=[r1,r2]", "balance=[ttur,skip_d]", "logger=[wandb,tensorboard]"])
    assert (list(cfg.penalty), list(cfg.balance)) == (["r1", "r2"], ["ttur", "skip_d"])
    assert (choices["penalty"], choices["balance"], choices["logger"]) == ("r1+r2", "ttur+skip_d", "wandb+tensorboard")
    assert "hydra" not in cfg
    for none in ("balance=[none]", "balance=[]", "~balance", "balance=none"):
        assert compose([none])[1]["balance"] == "none"
    gan, _ = build(compose_checked([*small("mlp"), "penalty=[r1,r2]", "balance=[ttur,skip_d]"]))
    assert [*gan.phases["D"].terms] == ["r1", "r2", "adversarial"]  # type: ignore[union-attr, index]


def test_choices_are_the_groups_of_the_command_the_experiment_and_the_model() -> None:
    assert choices_of({"model": "mlp", "model/style": "gram", "hydra/launcher": "basic", "loss@x": "hinge", "data": None}, {
        "penalty": {"r1": {}, "r2": {}}}) == {
        "model": "mlp", "model/style": "gram", "penalty": "r1+r2", "loss": "none", "balance": "none", "augment": "none",
        "schedule": "none", "optimizer": "none", "dynamics": "none", "logger": "none", "callbacks": "none",
    }  # fmt: skip


# What a model does not take


@pytest.mark.parametrize(
    ("override", "key"),
    [("loss=hinge", "loss"), ("balance=[ttur]", "balance"), ("batch_size=8", "batch_size"), ("schedule=cosine", "schedule"),
     ("metrics=digits", "metrics"), ("evaluate_kimg=3", "evaluate_kimg"), ("dynamics=simultaneous", "dynamics")],
)  # fmt: skip
def test_a_group_or_option_that_the_model_does_not_take_is_refused(override: str, key: str) -> None:
    sentence = refused(*STYLE, override)
    assert sentence.startswith(f"{key}: model=style_transfer has no use for augment, balance, batch_size, dynamics,")
    assert sentence.endswith(f"leave {override} out")


def test_keys_of_a_group_that_the_model_does_not_take_are_refused() -> None:
    sentence = refused(*STYLE, "penalty=r1", "penalty.r1.gamma=1")
    assert "penalty: model=style_transfer has no use for" in sentence
    assert "leave penalty.r1.gamma=1 out" in sentence


def test_groups_that_the_model_does_not_take_are_not_saved() -> None:
    config = compose_checked(STYLE)
    assert not set(config) & set(PARTS) - {"optimizer"}
    assert list(config["optimizer"]) == ["canvas"]
    assert set(PARTS) <= set(compose_checked(["model=mlp"]))
    assert differences(config, compose(STYLE)[0]) == []
    assert differences(config, compose([*STYLE, "model.patience=3"])[0]) == ["model.patience: 50, now 3"]


# What a longer run keeps


@pytest.mark.parametrize("schedule", ["schedule=cosine", "schedule=linear"])
def test_a_run_resumed_to_a_larger_kimg_follows_the_longer_schedule(schedule: str) -> None:
    same = ["model=dcgan_small", schedule, "penalty.r1.gamma={shape: cosine, start: 2, end: 1}"]
    saved = compose_checked([*same, "kimg=10"])
    longer = compose([*same, "kimg=30"])[0]
    assert differences(saved, longer) == []
    assert resolved(longer)["schedule"]["lr"]["kimg"] == 30
    assert differences(saved, compose([*same, "kimg=30", "penalty.r1.gamma.start=3"])[0]) == [
        "penalty.r1.gamma.start: 2, now 3"
    ]


# Labels


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two class folders of two pictures."""
    for name in ("dog", "cat"):
        for k in range(2):
            path = tmp_path / "set" / name / f"{k}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((16, 16, 3), 60 * k, dtype=np.uint8)).save(path)
    return tmp_path / "set"


def test_with_labels_the_class_folders_are_counted_and_named(classes: Path) -> None:
    folder = ["data=folder", f"data.root={classes}", "data.resolution=16"]
    cfg, _ = compose([*folder, "data.labels=true"])
    config = resolved(cfg)
    assert (config["data"]["classes"], config["data"]["class_names"]) == (2, ["cat", "dog"])
    assert config["model"]["G"]["classes"] == 2
    without = resolved(compose(folder)[0])
    assert (without["data"]["classes"], without["model"]["G"]["classes"]) == (0, 0)
    assert "class_names" not in without["data"]
    assert resolved(compose(["data=cifar10"])[0])["data"]["classes"] == 0  # whose file has 10
    assert len(resolved(compose(["data=cifar10", "data.labels=true"])[0])["data"]["class_names"]) == 10
    (classes / "cat" / "0.png").rename(classes / "0.png")
    assert "has no class folders" in refused(*folder, "data.labels=true")


@pytest.mark.parametrize(
    "model",
    [pytest.param(m, marks=pytest.mark.slow) if f"{m}_small" in GANS else m for m in GANS],
)
def test_every_model_takes_labels_and_one_without_classes_refuses_them(model: str) -> None:
    config = compose_checked([*small(model), "data.labels=true"])
    assert config["data"]["classes"] == (8 if model == "mlp_points" else 10)
    assert build_checked(config, devices=1)[0].classes == config["data"]["classes"]
    config["model"]["G"]["classes"] = config["model"]["D"]["classes"] = 0
    with pytest.raises(UserError) as caught:
        build_checked(config, devices=1)
    assert str(caught.value) == (
        "data.labels=true, and this model takes no labels (its G has no classes): leave data.labels out, or choose a "
        "class-conditional model"
    )


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["data.classes=5"], "data.classes: it follows from the set and data.labels"),
        (["optimizer=[adam,rmsprop]"], "a run has one optimizer"),
        (["schedule=[cosine,plateau]"], "a run has one schedule"),
        (["penalty=[r1,null]"], "null is no option of penalty"),
        (["penalty=r1", "penalty.r1.gamma={shape:[cosine],start:1,end:0}"], "shape is ['cosine']; it must be one of"),
        (["model=r3gan", "optimizer=sgd"], "which has no betas"),
        (["model=msggan_small", "model.G.width=4", "model.D.width=4"], "did you mean 'max_width'?"),
    ],
)
def test_mistakes_that_a_hostile_reader_found(
    overrides: list[str], words: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert entry.main([*overrides, "dry_run=true", "logger=none", "trainer=cpu"]) == 1
    assert words in capsys.readouterr().err


# How often Hydra composes
