"""The experiments against the numbers of their sources, computed here from those numbers alone."""

import itertools
import math
from typing import Any

import pytest
import torch
from hydra.core.global_hydra import GlobalHydra

from seesaw.config.assemble import assemble
from seesaw.config.compose import compose, resolved
from seesaw.gan.growth import Growing
from seesaw.gan.losses import CrossEntropyD, NonSaturatingG
from seesaw.gan.phases import build_phases
from seesaw.gan.rates import lazy_factor
from seesaw.style.scales import spans
from seesaw.training.build import construct

NEEDS_ROOT = ("karras20", "huang2024", "mimicry")


def composed(name: str, *overrides: str) -> dict[str, Any]:
    """The experiment's configuration; its data need not be there."""
    try:
        root = ["data.root=nowhere"] if name.startswith(NEEDS_ROOT) else []
        return resolved(compose([f"experiment={name}", *root, *overrides])[0])
    finally:
        GlobalHydra.instance().clear()


def progan_parameters(resolution: int, base: int, most: int, latent: int) -> tuple[int, int]:
    """G's and D's parameters by table 2 of Karras et al. 2018 with min(base / 2^(r-1), most) channels at 2^r px: convolutions
    with one bias a channel, a colour layer at every scale, one channel more in D's last convolution."""
    widths = [min(base >> (r - 1), most) for r in range(2, int(math.log2(resolution)) + 1)]

    def conv(before: int, after: int, side: int) -> int:
        return side * side * before * after + after

    first = widths[0]
    g = 16 * latent * first + first + conv(first, first, 3) + sum(conv(w, 3, 1) for w in widths)
    d = conv(first + 1, first, 3) + 16 * first * first + first + first + 1 + sum(conv(3, w, 1) for w in widths)
    for coarse, fine in itertools.pairwise(widths):
        g += conv(coarse, fine, 3) + conv(fine, fine, 3)
        d += conv(fine, fine, 3) + conv(fine, coarse, 3)
    return g, d


NETS = {
    "karras2018_cifar10": (32, 4096, 512, 512),
    "karras2018_cifar10_128": (32, 4096, 128, 128),
    "karras2018_celebahq1024": (1024, 8192, 512, 512),
}


@pytest.mark.parametrize("name", NETS)
def test_progans_nets_have_the_papers_parameters(name: str) -> None:
    model = composed(name)["model"]
    with torch.device("meta"):
        found = tuple(
            sum(p.numel() for p in construct(model[player], f"model.{player}").parameters()) for player in "GD"
        )
    assert found == progan_parameters(*NETS[name])


def test_the_published_cifar_net_has_17_8_million_parameters_and_its_shapes() -> None:
    """RECIPES of the project counts 17,769,228 and 17,776,385."""
    assert progan_parameters(*NETS["karras2018_cifar10"]) == (17_769_228, 17_776_385)
    model = composed("karras2018_cifar10")["model"]
    with torch.device("meta"):
        G = construct(model["G"], "model.G")
        assert [tuple(layer.weight.shape) for layer in G.to_rgb] == [(3, w, 1, 1) for w in (512, 512, 512, 256)]
        assert G.first[1].linear.weight.shape == (16 * 512, 512)
        assert G(torch.randn(2, 512)).images[-1].shape == (2, 3, 32, 32)


def facts(name: str) -> dict[str, Any]:
    """What an experiment trains with, under the names of the authors' config.py."""
    config = composed(name)
    growth: Any = construct(assemble(config)["data"]["growth"], "model.growth")
    assert isinstance(growth, Growing)
    batch = config["batch_size"]
    starts = {growth.level(images): images for images in range(0, 20_000_000, 50_000)}
    return {
        "total_kimg": config["kimg"],
        "lod_training_kimg": growth.stabilise / 1000,
        "lod_transition_kimg": growth.fade / 1000,
        "minibatch": {level: growth.batch_size(images, batch) for level, images in starts.items()},
        "iwass_target": config["penalty"]["wgan_gp"]["target"],
        "lr": (config["optimizer"]["G"]["lr"], config["optimizer"]["D"]["lr"]),
        "betas": tuple(config["optimizer"]["D"]["betas"]),
        "schedule": config["schedule"]["lr"]["_target_"].rpartition(".")[2],
        "mirror_augment": config["data"]["flip"],
        "separate_funcs": "alternating" in config["dynamics"] and not config["model"]["share_fakes"],
    }


CIFAR = {
    "lod_training_kimg": 400, "lod_transition_kimg": 400, "minibatch": dict.fromkeys((4, 8, 16, 32), 16),
    "iwass_target": 750.0, "mirror_augment": False,
}  # fmt: skip
COMMON = {"lr": (1e-3, 1e-3), "betas": (0.0, 0.99), "schedule": "Constant"}
HQ_BATCHES = dict.fromkeys((4, 8, 16, 32, 64, 128), 16) | {256: 14, 512: 6, 1024: 3}
AUTHORS = {
    "karras2018_cifar10": CIFAR | {"total_kimg": 15_000, "separate_funcs": True},
    "karras2018_cifar10_128": CIFAR | {"total_kimg": 20_000, "separate_funcs": False},
    "karras2018_celebahq1024": {
        "total_kimg": 19_000, "lod_training_kimg": 800, "lod_transition_kimg": 800, "minibatch": HQ_BATCHES,
        "iwass_target": 1.0, "mirror_augment": True, "separate_funcs": True,
    },
}  # fmt: skip


@pytest.mark.parametrize("name", AUTHORS)
def test_progans_recipes_are_those_of_the_authors_config(name: str) -> None:
    assert facts(name) == COMMON | AUTHORS[name]


@pytest.mark.parametrize(("name", "batch"), [("karras2018_cifar10", 16), ("karras2018_celebahq1024", 14)])
def test_progans_minibatch_deviation_is_over_the_whole_batch(name: str, batch: int) -> None:
    """All samples get one number, and it depends on every sample."""
    config = composed(name)
    node = config["model"]["D"] | {"resolution": 8, "base": 64, "max_width": 4}
    layer = construct(node, "model.D").last[0]
    x = torch.randn(batch, 4, 4, 4, requires_grad=True)
    added = layer(x)[:, -1, 0, 0]
    assert len(set(added.tolist())) == 1
    added[0].backward()
    assert x.grad is not None
    assert x.grad.flatten(1).abs().sum(1).gt(0).all()


@pytest.mark.parametrize(
    ("name", "batch"),
    [("karras2018_cifar10", 16), ("karras2018_cifar10_128", 16), ("karras2018_celebahq1024", 3), ("msggan_code", 20)],
)
def test_the_average_keeps_0_999_a_step_from_the_first_on(name: str, batch: int) -> None:
    """As update_average of the authors' codes, which have no ramp."""
    from seesaw.functional.ema import ema_decay

    model = composed(name)["model"]
    for shown in (batch, 100 * batch, 10**7):
        decay = ema_decay(batch, model["ema_half_life"], shown, model["ema_ramp"])
        assert decay == pytest.approx(0.999, abs=1e-6)


def test_lecam_begins_where_the_authors_cifar_biggan_does() -> None:
    """1000 iterations, each of 4 steps of D on 50 reals."""
    lecam = resolved(compose(["balance=lecam"])[0])["balance"]["lecam"]
    assert lecam["start_kimg"] == 1000 * 4 * 50 / 1000
    assert lecam["weight"] == 0.3


def test_multi_scale_style_draws_every_iteration_of_its_source() -> None:
    config = composed("multi_scale_style", "data.content=a.png", "data.style=b.png")
    assert config["model"]["tolerance"] == 0  # a scale never ends early
    assert spans(round(1000 * config["kimg"]), config["model"]["scales"]) == [1000, 500, 500, 500, 500]
    assert config["optimizer"]["canvas"]["lr"] == 2 * 0.02  # of pixels in [-1, 1], not [0, 1]
    assert list(config["model"]["backbone"]["style"].values()) == [256, 64, 16, 4, 1]


@pytest.mark.parametrize(
    ("name", "n", "of_g", "kimg"),
    [
        ("miyato2018_cifar10", 5, 50_000, 16_000),
        ("miyato_koyama2018_cifar10", 5, 50_000, 16_000),
        ("mimicry_sngan_celeba64", 5, 100_000, 32_000),
        ("brock2019_cifar10", 4, 125_000, 25_000),  # 500 epochs of 50,000 reals, which all steps of D together see
    ],
)
def test_steps_and_rates_of_sngan_and_biggan(name: str, n: int, of_g: int, kimg: int) -> None:
    config = composed(name)
    assert (config["kimg"], config["balance"]["n_critic"]["n"]) == (kimg, n)
    assert 1000 * kimg / (config["batch_size"] * n) == of_g
    adam = config["optimizer"]
    assert [adam[p]["lr"] for p in "GD"] == [2e-4, 2e-4]
    assert adam["D"]["betas"] == [0.0, 0.999 if "brock" in name else 0.9]
    lr = construct(assemble(config)["model"]["schedule"], "schedule")["lr"]
    assert [lr(t * 500 * kimg) for t in range(3)] == pytest.approx([1, 1, 1] if "brock" in name else [1, 0.5, 0])
    assert config["model"]["G"]["classes"] == (10 if name in ("miyato_koyama2018_cifar10", "brock2019_cifar10") else 0)


def test_bigans_average_begins_after_1000_steps_of_g_and_keeps_0_9999_of_each() -> None:
    from seesaw.functional.ema import ema_decay

    model = assemble(composed("brock2019_cifar10"))["model"]
    half_life = construct({"x": model["ema_half_life"]}, "model")["x"]
    assert model["ema_ramp"] is None
    assert half_life(200_000) == 0
    assert ema_decay(50, half_life(200_050), 200_050, None) ** 4 == pytest.approx(0.9999, abs=1e-9)


HUANG = {  # batch, gamma, half-life of the average, p, kimg: RECIPES, "R3GAN"
    "huang2024_cifar10": (512, (0.05, 0.005), 5e6, 0.55, 20_000),
    "huang2024_ffhq64": (256, (2, 0.2), 5e5, 0.3, 20_000),
    "huang2024_ffhq256": (256, (150, 15), 5e5, 0.3, 20_000),
    "huang2024_imagenet32": (4096, (0.5, 0.05), 5e7, 0.5, 200_000),
    "huang2024_imagenet64": (4096, (1, 0.1), 5e7, 0.4, 200_000),
}
COUNTS = {
    "huang2024_cifar10": (20_781_952, 21_280_512),
    "huang2024_ffhq64": (22_429_824, 22_381_440),
    "huang2024_ffhq256": (23_057_952, 23_009_568),
    "huang2024_imagenet32": (82_914_304, 86_548_992),
    "huang2024_imagenet64": (103_570_432, 107_205_120),
}


@pytest.mark.parametrize("name", HUANG)
def test_r3gans_five_schedules_at_their_ends_and_half_way(name: str) -> None:
    """Half a cosine stands at the mean of its ends half-way. The nets are those of the row."""
    batch, gamma, half_life, p, kimg = HUANG[name]
    many = ["data.labels=false", "model.G.classes=1000", "model.D.classes=1000"] if "imagenet" in name else []
    config = composed(name, *many)
    assert (config["batch_size"], config["kimg"], config["data"]["flip"]) == (batch, kimg, True)
    node = assemble(config)["model"]
    group = {"penalty": node["penalty"], "augment": node["augment"], "schedule": node["schedule"]}
    built = {part: construct(value, part) for part, value in group.items()}
    courses: list[tuple[Any, float, float]] = [
        (built["penalty"]["r1"].gamma, *gamma),
        (built["penalty"]["r2"].gamma, *gamma),
        (construct({"x": node["ema_half_life"]}, "model")["x"], 0, half_life),
        (built["augment"]["ada"].p, 0, p),
        (built["schedule"]["lr"], 1, 0.25),
        (built["schedule"]["beta2"], 0.9, 0.99),
    ]
    for course, start, end in courses:
        found = [course(images) for images in (0, 500 * kimg, 1000 * kimg, 2000 * kimg)]
        assert found == pytest.approx([start, (start + end) / 2, end, end])
    assert (config["optimizer"]["D"]["lr"], config["optimizer"]["G"]["betas"][0]) == (2e-4, 0)
    assert (node["fresh_reals"], node["ema_ramp"]) == (True, None)
    with torch.device("meta"):
        nets = [construct(config["model"][player], f"model.{player}") for player in "GD"]
    assert tuple(sum(w.numel() for w in net.parameters()) for net in nets) == COUNTS[name]


STYLEGAN2 = {  # batch, kimg, lr, gamma, half-life in kimg, its ramp, mapping layers, width at 256 px, group, ADA, mirrored
    "karras2020_ffhq1024": (32, 25_000, 0.002, 10.0, 10, None, 8, 128, 4, False, True),
    "karras2020_ffhq256": (64, 25_000, 0.0025, 1.0, 20, None, 8, 64, 8, False, True),
    "karras2020_afhq512": (64, 25_000, 0.0025, 0.5, 20, None, 8, 128, 8, True, True),
    "karras2020_metfaces1024": (32, 25_000, 0.002, 2.0, 10, None, 8, 128, 4, True, True),
    "karras2020_cifar10": (64, 100_000, 0.0025, 0.01, 500, 0.05, 2, 128, 32, True, False),
}


@pytest.mark.parametrize("name", STYLEGAN2)
def test_stylegan2s_recipes_are_those_of_the_authors_code(name: str) -> None:
    config = composed(name)
    model = config["model"]
    widths = {model[player]["base"] // 2**7 for player in "GD"}
    assert len(widths) == 1
    found = (
        config["batch_size"], config["kimg"], config["optimizer"]["D"]["lr"], config["penalty"]["r1"]["gamma"],
        model["ema_half_life"] / 1000, model["ema_ramp"], model["G"]["mapping"], *widths, model["D"]["group"],
        "ada" in config["augment"], config["data"]["flip"],
    )  # fmt: skip
    assert found == STYLEGAN2[name]
    cifar = name == "karras2020_cifar10"
    assert set(config["penalty"]) == ({"r1"} if cifar else {"r1", "path_length"})
    assert (model["order"], model["G"]["mixing"], model["D"]["residual"]) == (["G", "D"], 0.9 * (not cifar), not cifar)
    assert {tuple(config["optimizer"][player]["betas"]) for player in "GD"} == {(0.0, 0.99)}
    penalty: Any = {key: construct(node, f"penalty.{key}") for key, node in config["penalty"].items()}
    phases = build_phases({"d": CrossEntropyD(), "g": NonSaturatingG()}, penalty, model["order"])
    assert list(phases) == (["G", "D", "D_reg16"] if cifar else ["G", "G_reg4", "D", "D_reg16"])
    lr = config["optimizer"]["G"]["lr"] * lazy_factor(phases, "G")
    assert lr == pytest.approx(0.8 * STYLEGAN2[name][2])  # the code scales G's rate also where it has no path length
    assert lazy_factor(phases, "D") == pytest.approx(16 / 17)
