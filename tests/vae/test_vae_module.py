"""The VAE: its loss and its schedule, what it refuses, exact resume, and a run beside a GAN's from training to comparison."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from saved_states import same
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from toys import fit, reports

from seesaw.cli.main import main as seesaw
from seesaw.cli.train import main
from seesaw.errors import UserError
from seesaw.functional.pixels import to_unit
from seesaw.gan.schedules import Linear
from seesaw.nets.dcgan import Generator
from seesaw.nets.vae import Encoder
from seesaw.training.build import build
from seesaw.training.curves import curves
from seesaw.training.dry_run import check_step
from seesaw.training.preflight import compose_checked
from seesaw.vae.module import VAE

REALS = torch.randint(0, 256, (40, 1, 16, 16), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
ADAM = {"vae": partial(torch.optim.Adam, lr=1e-2)}
SMALL = ["data=digits", "data.resolution=16", "logger=none", "precision=exact", "trainer=cpu", "batch_size=8", "log_kimg=0.016",
         "sample_kimg=10", "checkpoint_kimg=10"]  # fmt: skip
TINY = ["model=vae_small", "model.encoder.width=4", "model.decoder.width=4"]
Composed = Callable[..., dict[str, Any]]


def made(classes: int = 0, **options: Any) -> VAE:
    torch.manual_seed(0)
    encoder = Encoder(16, 1, z_dim=3, width=4, classes=classes)
    decoder = Generator(16, 1, z_dim=3, width=4, classes=classes)
    usual = {"encoder": encoder, "decoder": decoder, "optimizer": ADAM, "log_kimg": 0.008, "ema_half_life": 100.0}
    return VAE(**(usual | options))


@pytest.mark.parametrize("likelihood", ["gaussian", "bernoulli"])
def test_the_loss_is_reconstruction_and_beta_times_kl_and_falls(likelihood: Any) -> None:
    vae = made(likelihood=likelihood, beta=Linear(0.0, 2.0, kimg=0.16), schedule={"lr": Linear(1.0, 0.5, kimg=0.32)})
    fit(vae, 40, reals=REALS[:8])  # type: ignore[arg-type]
    vae.flush_statistics(finished=True)
    rows = reports(vae)  # type: ignore[arg-type]
    assert len(rows) == 40
    for k, row in enumerate(rows):
        beta = min(8 * k / 160, 1) * 2  # before the batch
        assert row["train/loss"] == pytest.approx(row["train/reconstruction"] + beta * row["train/kl"], rel=1e-5)
        assert row["train/schedule/beta"] == pytest.approx(min(8 * (k + 1) / 160, 1) * 2)
        assert row["train/lr/vae"] == pytest.approx(1e-2 * (1 - 0.5 * 8 * (k + 1) / 320))
    assert rows[-1]["train/updates/vae"] == 40
    assert rows[-1]["train/reconstruction"] < rows[0]["train/reconstruction"] - 3


def test_beta_pulls_the_posterior_to_the_prior() -> None:
    free, tied = made(beta=0.0), made(beta=100.0)
    for vae in (free, tied):
        fit(vae, 40, reals=REALS[:8])  # type: ignore[arg-type]
    assert reports(tied)[-1]["train/kl"] < 0.1 * reports(free)[-1]["train/kl"]  # type: ignore[arg-type]


def test_the_bound_is_that_of_torch_s_distributions() -> None:
    vae = made(deviation=0.5).eval()
    images, noise = to_unit(REALS[:8], torch.float32), torch.randn(8, 3)
    bound = vae.bound(images, None, noise)
    mean, log_variance = vae.encoder(images)
    q = Normal(mean, (0.5 * log_variance).exp())
    given = vae.decoder(q.loc + q.scale * noise).images[-1]
    torch.testing.assert_close(bound.reconstruction, -Normal(given, 0.5).log_prob(images).flatten(1).sum(1))
    torch.testing.assert_close(bound.kl, kl_divergence(q, Normal(0.0, 1.0)).sum(1))


def test_judging_reconstructing_and_sampling_leave_no_trace() -> None:
    vae = made(classes=2)
    y = torch.arange(40) % 2
    fit(vae, 3, reals=REALS, labels=y)  # type: ignore[arg-type]
    before = {name: value.clone() for name, value in vae.state_dict().items() if isinstance(value, Tensor)}
    rng = torch.get_rng_state()
    elbo = vae.score_reals(REALS, y, batch_size=16)["elbo"]
    assert elbo == vae.score_reals(REALS, y, batch_size=16)["elbo"]
    images = vae.reconstruct(REALS, y)
    assert (images.dtype, images.shape) == (torch.uint8, REALS.shape)
    one, other = (torch.cat(list(vae.sample(8, seed=0, y=c))) for c in (0, 1))
    assert not torch.equal(one, other)
    assert vae.training
    assert torch.equal(rng, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in vae.state_dict().items() if name in before)


def test_the_ranks_share_out_the_noise_of_the_whole_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    vae = made()
    whole = vae.noise(8)
    monkeypatch.setattr("seesaw.vae.module.world_size", lambda: 2)
    parts = []
    for rank in (0, 1):
        monkeypatch.setattr(VAE, "global_rank", rank)
        parts.append(vae.noise(4))
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"likelihood": "laplace"}, "likelihood is 'laplace'; it must be one of gaussian, bernoulli"),
        ({"deviation": 0.0}, "deviation is 0.0; it must be above 0"),
        ({"beta": Linear(0.0, -1.0, kimg=1.0)}, "beta is -1.0; it must be at least 0"),
        ({"optimizer": {"G": ADAM["vae"], "D": ADAM["vae"]}}, "a VAE takes one under vae: give optimizer=vae_adam"),
        ({"schedule": {"beta": 1.0}}, "schedule has lr for a VAE, and no beta; beta is scheduled as model.beta"),
        ({"decoder": Generator(16, 1, z_dim=4, width=4)}, "encoder.z_dim is 3 and decoder.z_dim is 4; they must be the same"),
        ({"ema_ramp": 0.0}, "ema_ramp is 0.0; it must be above 0"),
        ({"log_kimg": 0.0}, "log_kimg is 0.0; it must be above 0"),
    ],
)  # fmt: skip
def test_wrong_options_are_refused(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        made(**options)


@pytest.mark.parametrize(
    ("override", "sentence"),
    [
        ("model.decoder.channels=3", "model.decoder gives images of 3x16x16, and the reals are 1x16x16: leave model.decoder.ch"),
        ("model.encoder.channels=3", r"model\.encoder: .*: leave its channels and resolution as data has them"),
    ],
)  # fmt: skip
def test_what_the_first_step_refuses_is_refused_before_it(
    override: str, sentence: str, composed_once: Composed
) -> None:
    with pytest.raises(UserError, match=sentence):
        check_step(*build(composed_once(*SMALL, *TINY, override)), devices=1)


def test_a_dry_run_names_the_shapes(composed_once: Composed) -> None:
    assert check_step(*build(composed_once(*SMALL, *TINY)), devices=1) == [
        "from 0 kimg: 8 a pass, 1x16x16 -> encoder -> z 6 -> decoder -> 1x16x16"
    ]


def test_groups_of_a_gan_are_refused_when_chosen_and_left_out_of_the_configuration() -> None:
    config = compose_checked([*SMALL, *TINY])
    assert not {"loss", "penalty", "balance", "augment", "dynamics"} & set(config)
    with pytest.raises(UserError, match="balance: model=vae_small has no use for augment, balance, dynamics, loss, "):
        compose_checked([*SMALL, *TINY, "balance=ttur"])


def train(folder: Path, kimg: float, *overrides: str) -> dict[str, Any]:
    """Train up to kimg, going on where the folder stands; the checkpoint without its clock."""
    schedule = [] if "schedule=plateau" in overrides else ["schedule=constant"]  # a cosine would follow kimg
    assert main([*SMALL, *schedule, *overrides, f"kimg={kimg}", f"run_dir={folder}", "resume=auto"]) == 0
    checkpoint: dict[str, Any] = torch.load(folder / "checkpoints" / "last.ckpt", weights_only=True)
    del checkpoint["state_dict"]["meter.statistics._extra_state"]
    return checkpoint


@pytest.mark.usefixtures("no_curves")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(["model.likelihood=bernoulli", "data.labels=true", "model.decoder.condition=batch_norm"], id="labels"),
        pytest.param(["model.encoder.norm=none", "schedule=plateau"], id="plain", marks=pytest.mark.slow),
        pytest.param(["data.channels=3", "data.resolution=32x48", "data.holdout=0.1"], id="shape", marks=pytest.mark.slow),
    ],
)  # fmt: skip
def test_a_run_resumes_bit_for_bit_and_shows_reconstructions(options: list[str], tmp_path: Path) -> None:
    beta = "model.beta={shape: linear, start: 0, end: 1, kimg: 0.05}"
    measured = ["metrics.n=64", "evaluate_kimg=0.032"] if "schedule=plateau" in options else ["metrics=none"]
    whole = train(tmp_path / "whole", 0.064, *TINY, beta, *options, *measured)
    train(tmp_path / "cut", 0.032, *TINY, beta, *options, *measured)
    gone_on = train(tmp_path / "cut", 0.064, *TINY, beta, *options, *measured)
    for key in ("state_dict", "optimizer_states", "progress"):
        assert same(whole[key], gone_on[key]), key
    picture = Image.open(tmp_path / "whole" / "samples" / "000000-reconstructions.png")
    assert picture.size[0] == 8 * (96 if "data.resolution=32x48" in options else 64) + 18
    assert (tmp_path / "whole" / "samples" / "000000.png").is_file()


@pytest.mark.slow
def test_a_vae_and_a_gan_are_trained_evaluated_sampled_and_compared(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    common = ["metrics.n=64", "evaluate_kimg=0.032", "data.holdout=0.2", "sample_kimg=0.032"]
    train(tmp_path / "runs/vae", 0.064, *TINY, *common)
    train(tmp_path / "runs/gan", 0.064, "model=dcgan_small", "model.G.width=4", "model.D.width=4", *common)
    rows = (tmp_path / "runs/vae/metrics.csv").read_text(encoding="utf-8").splitlines()
    for name in ("eval/elbo_train", "eval/elbo_held_out", "eval/frechet_digits", "train/kl", "train/reconstruction"):
        assert name in rows[0].split(",")
    assert curves(tmp_path / "runs/vae") is not None
    assert seesaw(["sample", str(tmp_path / "runs/vae"), "--out", str(tmp_path / "x.png"), "--count", "4"]) == 0
    assert seesaw(["evaluate", str(tmp_path / "runs/vae"), "--n", "64"]) == 0
    capsys.readouterr()
    assert seesaw(["compare", str(tmp_path / "runs")]) == 0
    out = capsys.readouterr().out
    assert "vae" in out
    assert "gan" in out


@pytest.mark.slow
def test_samples_of_a_class_have_its_brightness() -> None:
    """Class 0 is dark and class 1 light."""
    y = torch.arange(64) % 2
    noise = torch.randint(0, 60, (64, 1, 16, 16), generator=torch.Generator().manual_seed(0))
    reals = (noise + 195 * y[:, None, None, None]).to(torch.uint8)
    torch.manual_seed(0)
    encoder, decoder = Encoder(16, 1, z_dim=3, width=8, classes=2), Generator(16, 1, z_dim=3, width=8, classes=2)
    vae = made(encoder=encoder, decoder=decoder)
    fit(vae, 150, size=16, reals=reals, labels=y)  # type: ignore[arg-type]
    dark, light = (torch.cat(list(vae.sample(64, seed=0, y=c))).float().mean().item() for c in (0, 1))
    assert dark < 90 < 165 < light, (dark, light)
