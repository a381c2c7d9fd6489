"""Samples: they depend on the seed alone, and training goes on as if nothing had been sampled."""

import copy
from pathlib import Path

import pytest
import torch
from toys import assert_equal_states, fit, plain, task

from seesaw.gan.module import GAN
from seesaw.shared import sampling
from seesaw.shared.ema import with_estimated_batch_norm
from seesaw.util import key


def test_sampling_disturbs_nothing_and_depends_on_the_seed_alone() -> None:
    gan = task("noisy")
    fit(gan, 4)
    state, rng, training = copy.deepcopy(gan.state_dict()), torch.get_rng_state(), gan.G.training
    for ema in (True, False):
        whole = torch.cat(list(gan.sample(10, seed=4, ema=ema, batch_size=10)))
        parts = torch.cat(list(gan.sample(10, seed=4, ema=ema, batch_size=3)))
        assert whole.dtype == torch.uint8
        assert (whole.int() - parts.int()).abs().max() <= 1  # rounding of another batch size at most
        assert not torch.equal(whole, next(gan.sample(10, seed=5, ema=ema)))
    assert torch.equal(rng, torch.get_rng_state())
    assert gan.G.training == training
    for name, value in gan.state_dict().items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, state[name]), name


@pytest.mark.parametrize("name", ["noisy", "growing", "labelled"])
def test_a_run_that_samples_is_the_run_that_does_not(name: str, tmp_path: Path) -> None:
    """Samples between two halves of a run, also half of a stream that is then dropped."""
    sampled, plain_run = task(name), task(name)
    for gan in (sampled, plain_run):
        fit(gan, 5).save_checkpoint(tmp_path / "a.ckpt")
        if gan is sampled:
            list(gan.sample(6, seed=1, ema=False))
            next(gan.sample(6, seed=1, batch_size=2))
            torch.manual_seed(99)  # whatever a caller does to the generators
        fit(gan, 5, ckpt=str(tmp_path / "a.ckpt"), start=40)
    assert_equal_states(sampled, plain_run)


def test_the_average_is_sampled_with_statistics_of_its_own() -> None:
    """BatchNorm's statistics are those of 16 x 64 keyed latents under the averaged weights, as computed here."""
    gan = task("noisy")
    fit(gan, 6)
    z = torch.randn(16, 64, 5, generator=torch.Generator().manual_seed(key(3, "batch norm")))
    G = copy.deepcopy(gan.G_ema)
    with torch.no_grad():
        hidden = [G.start(chunk).unflatten(1, (6, 4, 4)) for chunk in z]
    G.norm.running_mean = torch.stack([h.mean((0, 2, 3)) for h in hidden]).mean(0)
    G.norm.running_var = torch.stack([h.var((0, 2, 3)) for h in hidden]).mean(0)
    with torch.no_grad():
        images = G.eval()(sampling.latents(10, 5, seed=4)).images[0]
    found = next(gan.sample(10, seed=4))
    assert (found.int() - images.add(1).mul(127.5).round().clamp(0, 255).int()).abs().max() <= 1
    inherited = gan.G_ema.eval()(sampling.latents(10, 5, seed=4)).images[0]
    assert (inherited - images).abs().max() > 0.05  # the statistics it inherits belong to other weights


def test_pyramids_are_coarse_to_fine_and_the_images_their_finest() -> None:
    gan = task("scales")
    fit(gan, 1)
    (pyramid,) = gan.sample_pyramids(4, seed=0)
    assert [x.shape[-1] for x in pyramid] == [4, 8]
    assert {x.dtype for x in pyramid} == {torch.uint8}
    assert torch.equal(pyramid[-1], next(gan.sample(4, seed=0)))


def test_each_process_samples_its_chunks() -> None:
    gan = plain()
    whole = list(gan.sample(11, seed=4, batch_size=3))
    assert [len(chunk) for chunk in whole] == [3, 3, 3, 2]
    for rank in range(3):
        own = list(gan.sample(11, seed=4, batch_size=3, shard=(rank, 3)))
        expected = whole[rank::3]
        assert len(own) == len(expected)
        assert all(torch.equal(a, b) for a, b in zip(own, expected, strict=True))


def test_points_stay_floats() -> None:
    from seesaw.nets.mlp import Discriminator, Generator

    torch.manual_seed(0)
    gan: GAN = plain(G=Generator(1, 2, z_dim=4, widths=(8,)), D=Discriminator(1, 2, widths=(8,)))
    points = next(gan.sample(6, seed=0))
    assert (points.shape, points.dtype) == ((6, 2, 1, 1), torch.float32)


def test_a_generator_without_batch_norm_is_not_copied() -> None:
    gan = task("plain")
    assert with_estimated_batch_norm(gan.G_ema, []) is gan.G_ema
    noisy = task("noisy")
    assert with_estimated_batch_norm(noisy.G_ema, [(torch.randn(8, 5), None)]) is not noisy.G_ema


def test_the_average_copies_buffers() -> None:
    """Averaged BatchNorm statistics belong to no weights at all."""
    gan = task("noisy", ema_half_life=1e9)
    fit(gan, 3)
    for a, b in zip(gan.G_ema.buffers(), gan.G.buffers(), strict=True):
        assert torch.equal(a, b)
