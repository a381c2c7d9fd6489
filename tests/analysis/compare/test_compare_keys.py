import copy
import inspect

import pytest
import yaml

from seesaw.analysis.compare.defaults import defaults, of_node
from seesaw.analysis.compare.keys import BESIDE, differing_keys, distinguishing_keys, fingerprint, names
from seesaw.config.options import config_dir
from seesaw.data.sources.folder import Folder
from seesaw.gan.balance import SkipD
from seesaw.gan.module import GAN
from seesaw.gan.penalties import R1
from seesaw.gan.schedules import Cosine
from seesaw.nets.dcgan import Discriminator
from seesaw.training.callbacks.evaluate import Evaluate


@pytest.fixture(scope="module")
def composed(composed_once):
    """overrides -> a copy of the configuration, which is composed once."""
    kept = {}

    def compose(*overrides):
        if overrides not in kept:
            kept[overrides] = composed_once(*overrides)
        return copy.deepcopy(kept[overrides])

    return compose


LITERALS = (int, float, str, bool, list, tuple, dict, type(None))


def named(*configs):
    keys = differing_keys(configs)
    return names(distinguishing_keys(keys, len(configs)), keys, len(configs))


def shown(*configs):
    return {key.path: key.values for key in differing_keys(configs)}


def test_seed_and_places_make_no_other_experiment(composed):
    one = composed("seed=1", "run_dir=a", "logger=csv", "sample_kimg=7", "checkpoint_kimg=3")
    other = composed("seed=2", "run_dir=b", "logger=none", "cache_dir=elsewhere")
    assert fingerprint(one) == fingerprint(other)
    assert differing_keys([one, other]) == []
    assert named(one) == ["all runs"]


@pytest.mark.parametrize(
    "override", ["balance=skip_d", "optimizer.D.lr=5e-3", "kimg=1", "data.resolution=16", "loss=hinge"]
)
def test_what_changes_the_result_makes_another(composed, override):
    assert fingerprint(composed()) != fingerprint(composed(override))


def test_the_numbers_of_yaml_are_numbers_and_absent_is_null():
    assert fingerprint({"kimg": 20, "micro": None}) == fingerprint({"kimg": 20.0})
    assert fingerprint({"raw": True}) != fingerprint({"raw": 1})
    assert differing_keys([{"kimg": 20, "micro": None}, {"kimg": 20.0}]) == []


def test_parts_are_named(composed):
    configs = [composed(f"balance={b}") for b in ("none", "skip_d", "[ttur,skip_d]")]
    assert shown(*configs) == {"balance": ("none", "skip_d", "ttur+skip_d")}
    assert named(*configs) == ["balance=none", "balance=skip_d", "balance=ttur+skip_d"]


def test_a_parts_own_number_is_named_where_the_part_is(composed):
    configs = [
        composed("balance=none"),
        *(composed("balance=skip_d", f"balance.skip_d.skip_above={a}") for a in (0.6, 0.8)),
    ]
    assert named(*configs) == [
        "balance=none", "balance=skip_d skip_above=0.6", "balance=skip_d skip_above=0.8",
    ]  # fmt: skip


def test_learning_rates_of_both_players_are_one_key(composed):
    both = [composed(f"optimizer.G.lr={lr}", f"optimizer.D.lr={lr}") for lr in (1e-3, 3e-3)]
    assert shown(*both) == {"optimizer.{G,D}.lr": ("0.001", "0.003")}
    assert named(*both) == ["lr=0.001", "lr=0.003"]
    apart = [composed(f"optimizer.G.lr={g}", f"optimizer.D.lr={d}") for g, d in ((1, 2), (1, 3), (2, 3))]
    assert named(*apart) == ["G.lr=1 D.lr=2", "G.lr=1 D.lr=3", "G.lr=2 D.lr=3"]


def test_models_losses_and_penalties_come_before_what_comes_along(composed):
    configs = [
        composed(f"model={m}", f"penalty={p}", f"loss={loss}")
        for m, p, loss in (
            ("dcgan", "none", "hinge"),
            ("mlp", "none", "hinge"),
            ("mlp", "r1", "hinge"),
            ("mlp", "r1", "minimax"),
        )
    ]
    assert named(*configs) == [
        "model=dcgan d=HingeD penalty=none",
        "model=mlp d=HingeD penalty=none",
        "model=mlp d=HingeD penalty=r1",
        "model=mlp d=CrossEntropyD penalty=r1",
    ]
    assert {"loss.d", "loss.g"} <= set(shown(*configs))


def test_numbers_of_penalties_and_optimizers_are_distinguished_by_their_keys(composed):
    gammas = [composed("penalty=r1", f"penalty.r1.gamma={gamma}") for gamma in (1, 2)]
    assert shown(*gammas) == {"penalty.r1.gamma": ("1", "2")}
    assert named(*gammas) == ["gamma=1", "gamma=2"]
    lazy = [composed("penalty=r1", f"penalty.r1.interval={k}") for k in (1, 16)]
    assert shown(*lazy) == {"penalty.r1.interval": ("1", "16")}
    both = [composed("penalty=r1"), composed("penalty=r1_r2"), composed("loss=wasserstein", "penalty=wgan_gp")]
    assert shown(*both)["penalty"] == ("r1", "r1+r2", "wgan_gp+drift")
    rms = [composed(), composed("optimizer=rmsprop")]
    assert shown(*rms)["optimizer.{G,D}"] == ("Adam", "RMSprop")
    typed_so = typed((rms[0], {"optimizer": "adam"}), (rms[1], {"optimizer": "rmsprop"}))[0]
    assert typed_so == ["optimizer=adam", "optimizer=rmsprop"]
    assert shown(composed(), composed("dynamics=simultaneous")) == {"dynamics": ("alternating", "simultaneous")}


def test_how_it_is_measured_comes_last(composed):
    configs = [composed(), composed("metrics.n=64"), composed("metrics.primary=kernel_digits", "loss=hinge")]
    assert list(shown(*configs)) == ["loss.d", "loss.g", "metrics.primary", "metrics.n"]


def typed(*runs):
    """Names of configurations of which it is known what was typed."""
    configs, choices = zip(*((config, chosen) for config, chosen in runs), strict=True)
    keys = differing_keys(configs, choices)
    return names(distinguishing_keys(keys, len(configs)), keys, len(configs)), [key.path for key in keys]


def test_groups_are_named_as_they_were_typed(composed):
    usual = {"model": "dcgan_small", "data": "digits", "loss": "non_saturating", "penalty": "r1", "logger": "csv"}
    options = [
        {},
        {"loss": "hinge"},
        {"loss": "minimax"},
        {"loss": "hinge", "penalty": "none", "logger": "none"},
        {"model": "dcgan", "penalty": "r1"},
    ]
    found, labels = typed(*((composed(*(f"{k}={v}" for k, v in o.items())), usual | o) for o in options))
    rest = "loss=non_saturating penalty=r1"
    assert found == [
        f"model=dcgan_small {rest}", "model=dcgan_small loss=hinge penalty=r1", "model=dcgan_small loss=minimax penalty=r1",
        "model=dcgan_small loss=hinge penalty=none", f"model=dcgan {rest}",
    ]  # fmt: skip
    assert labels[:3] == ["model", "loss", "penalty"]
    assert not {"loss.d", "loss.g", "logger", "data"} & set(labels)
    assert labels.count("penalty") == 1


def test_a_class_set_by_hand_is_named_beside_the_option(composed):
    other = composed("loss=hinge")
    by_hand = copy.deepcopy(other)
    by_hand["loss"]["d"]["_target_"] = "mine.D"
    found, _ = typed((composed(), {"loss": "non_saturating"}), (other, {"loss": "hinge"}), (by_hand, {"loss": "hinge"}))
    assert found == ["loss=non_saturating d=CrossEntropyD", "loss=hinge d=HingeD", "loss=hinge d=D"]


def test_models_of_another_kind_add_no_copies(composed):
    photos = ["model=style_transfer", "data.content=a", "data.style=b"]
    options = [
        {"model": "mlp", "loss": "hinge"}, {"model": "mlp", "loss": "minimax", "balance": "ttur"},
        *({"model": "style_transfer", "loss": "non_saturating", "model/style": s} for s in ("gram", "wasserstein")),
    ]  # fmt: skip
    runs = []
    for chosen in options:
        typed_so = [f"{k}={v}" for k, v in chosen.items() if k != "loss" or chosen["model"] == "mlp"]
        extra = photos[1:] if chosen["model"] == "style_transfer" else []
        runs.append((composed(*typed_so, *extra), {"balance": "none", "penalty": "none"} | chosen))
    found, labels = typed(*runs)
    assert len(set(labels)) == len(labels)
    assert not {"model.balance", "penalty", "data.batch_size"} & set(labels)
    assert not any(label.endswith("adversarial") for label in labels)
    other = "model=style_transfer loss=non_saturating"
    assert found == [
        "model=mlp loss=hinge",
        "model=mlp loss=minimax",
        f"{other} style=gram",
        f"{other} style=wasserstein",
    ]


def test_runs_of_an_older_version_are_named_as_before(composed):
    configs = [composed("loss=hinge"), composed("loss=least_squares")]
    assert named(*configs) == ["d=HingeD", "d=LeastSquaresD"]
    known = [(configs[0], {"loss": "hinge"}), (configs[1], {})]
    assert typed(*known)[0] == typed(*known[::-1])[0][::-1] == named(*configs)
    assert typed((configs[0], {"loss": "a"}), (configs[0] | {"kimg": 1}, {"loss": "b"}))[1] == [
        "kimg"
    ]  # one and the same


def test_an_option_that_only_one_of_two_networks_alike_has_is_named(composed):
    """A later version added it: the runs may differ, so they are not repeats."""
    old = composed()
    new = copy.deepcopy(old)
    new["model"]["D"]["novelty"] = 2
    assert shown(old, new, composed("model=mlp"))["model.D.novelty"] == ("-", "2", "-")
    assert named(old, new) == ["novelty=-", "novelty=2"]


def test_values_too_long_to_distinguish_get_numbers():
    one, other = {"data": {"root": "x" * 60 + "1"}}, {"data": {"root": "x" * 60 + "2"}}
    assert named(one, other) == ["all runs (1)", "all runs (2)"]


def test_an_option_that_an_older_version_did_not_have_is_its_default(composed):
    new = composed("model=dcgan")
    old, other = copy.deepcopy(new), copy.deepcopy(new)
    del old["model"]["D"]["norm"], old["model"]["G"]["_target_"]
    del other["model"]["G"]["_target_"]
    other["model"]["D"]["norm"] = "none"
    assert inspect.signature(Discriminator).parameters["norm"].default == new["model"]["D"]["norm"] == "batch"
    assert fingerprint(old) == fingerprint({**new, "model": {**new["model"], "G": old["model"]["G"]}})
    assert shown(old, other) == {"model.D.norm": ("batch", "none")}


@pytest.mark.parametrize("cls", [Discriminator, SkipD, R1, Cosine, GAN, Folder, Evaluate])
def test_defaults_are_read_from_the_source_as_python_has_them(cls):
    found = defaults(f"{cls.__module__}.{cls.__name__}")
    parameters = inspect.signature(cls).parameters.values()
    assert found == {p.name: p.default for p in parameters if isinstance(p.default, LITERALS) and p.name in found}
    assert set(found) == {p.name for p in parameters if isinstance(p.default, LITERALS)} != set()


def test_defaults_of_what_a_package_shows_and_of_what_is_not_there():
    assert defaults("seesaw.gan.balance.SkipD") == defaults(f"{SkipD.__module__}.SkipD") != {}
    for target in ("seesaw.nets.dcgan.Gone", "seesaw.gone.Gone", "seesaw.../../etc.passwd", "seesaw.Gone", ""):
        assert defaults(target) == {}
    assert of_node({"_target_": "torch.optim.Adam"}) == {}


def test_what_all_sets_measure_beside_their_distances_makes_no_other_experiment():
    files = [config_dir() / "metrics" / f"{name}.yaml" for name in ("_images", "_classified", "_points")]
    read = [yaml.safe_load(file.read_text(encoding="utf-8"))["measures"] for file in files]
    shared = {node["_target_"] for measures in read for node in measures.values()}
    assert shared < set(BESIDE)
    assert set(BESIDE) - shared == {"seesaw.metrics.recognised.Recognised"}
    ours = {"metrics": {"measures": {"mine": {"_target_": "mine.Metric"}, "m": {"_target_": BESIDE[1]}}}}
    assert [key for key, _ in fingerprint(ours)] == ["metrics.measures.mine._target_"]
