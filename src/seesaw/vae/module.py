"""The variational autoencoder (Kingma and Welling 2014) with the weight beta of Higgins et al. 2017: a foil for GANs."""

import copy
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Literal, NamedTuple, Protocol, cast, get_args

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seesaw.functional.dtype import at_least_float32
from seesaw.functional.elbo import bernoulli_nll, gaussian_nll, kl_from_standard_normal, reparameterised
from seesaw.functional.pixels import to_stored, to_unit
from seesaw.functional.ranks import average_buffers_, world_size
from seesaw.functional.rng import reseed
from seesaw.shared import sampling
from seesaw.shared.ema import RunningAverage
from seesaw.shared.finite import infinite_buffers
from seesaw.shared.meter import Meter
from seesaw.shared.metered import Metered
from seesaw.shared.schedules import check_range, find_schedules
from seesaw.types import Batch, Pyramid, Schedule, UserError, at
from seesaw.util import key

Likelihood = Literal["gaussian", "bernoulli"]
"""What the decoder's image is the mean of."""

PLAYER = "vae"
"""Key of the optimiser, and in the names of learning rate, updates and gradient norm."""


class Encoder(Protocol):
    """Images (B, C, H, W) in [-1, 1] and labels (B,) or None, to mean and log variance (B, z_dim) of q(z | x)."""

    z_dim: int
    classes: int

    def __call__(self, images: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]: ...


class Bound(NamedTuple):
    """The two parts of -ELBO, in nats, (B,) each: -log p(x | z) for one z ~ q(z | x), and KL(q(z | x) || p(z))."""

    reconstruction: Tensor
    kl: Tensor


class VAE(Metered):
    """Encoder and decoder lower -log p(x | z) + beta KL(q(z | x) || N(0, I)), summed over pixels and latent dimensions, with one
    z ~ q(z | x) for each image. Higgins et al. 2017, eq. 4; at beta 1 it is -ELBO (Kingma and Welling 2014, eq. 3).

    Samples are the decoder's means for z ~ N(0, I): no noise of the likelihood is added to them, as papers show them. The
    decoder is a GAN's generator, and its average is sampled as a GAN's is; reconstructions and bounds are of the weights
    themselves.

    Args:
        encoder: see `Encoder`.
        decoder: a generator (z, y) -> Fake with images in [-1, 1].
        optimizer: "vae": parameters -> optimizer.
        schedule: "lr": factor on the learning rate.
        likelihood: `gaussian` with one fixed `deviation`, or `bernoulli`; see `seesaw.functional.elbo`.
        deviation: of a gaussian pixel, in the images' unit of [-1, 1], above 0. With it beta stands for beta deviation^2: an
            implementation that adds w KL to the squared error summed over pixels has w = 2 beta deviation^2, and one with
            the mean over n pixels has w = 2 beta deviation^2 / n.
        beta: weight of the KL divergence, at least 0; warm-up is `{shape: linear, start: 0, end: 1, kimg: 20}`.
        ema_half_life: of the decoder's average, in images.
        ema_ramp: the half-life is at most this part of the images shown, in (0, 1]. None: no such limit.
        seed: with the images shown it keys all randomness of training.
        log_kimg: length of the window over which statistics are averaged, in thousands of images.

    Raises:
        ValueError: a number is out of range, or encoder and decoder do not fit each other.
    """

    has_encoder = True

    def __init__(
        self,
        encoder: nn.Module,
        decoder: nn.Module,
        optimizer: Mapping[str, Callable[..., Optimizer]],
        schedule: Mapping[str, Schedule] | None = None,
        likelihood: Likelihood = "gaussian",
        deviation: float = 1.0,
        beta: Schedule = 1.0,
        ema_half_life: Schedule = 10_000.0,
        ema_ramp: float | None = 0.05,
        seed: int = 0,
        log_kimg: float = 1.0,
    ) -> None:
        super().__init__()
        check_options(optimizer, schedule or {}, likelihood, log_kimg, ema_ramp)
        check_range("deviation", deviation, above=0)
        check_range("beta", beta, least=0)
        check_range("ema_half_life", ema_half_life, least=0)
        self._init_networks(encoder, decoder)
        self.nll = partial(gaussian_nll, deviation=deviation) if likelihood == "gaussian" else bernoulli_nll
        self.beta, self.schedule, self.ema_half_life, self.ema_ramp = (
            beta,
            dict(schedule or {}),
            ema_half_life,
            ema_ramp,
        )
        named = {"lr": self.schedule.get("lr"), "ema_half_life": ema_half_life, "beta": beta}
        self._schedules = nn.ModuleDict({k: s for k, s in named.items() if isinstance(s, nn.Module)})
        self.make_optimizer, self.seed, self.base_lr = optimizer[PLAYER], seed, 0.0
        self.meter = Meter(max(int(log_kimg * 1000), 1), players=(PLAYER,))

    def _init_networks(self, encoder: nn.Module, decoder: nn.Module) -> None:
        """Take the networks, channels last, and make the decoder's average."""
        self.encoder, self.decoder = (net.to(memory_format=torch.channels_last) for net in (encoder, decoder))
        for what in ("z_dim", "classes"):
            ours, theirs = (getattr(net, what, 0) for net in (encoder, decoder))
            if ours != theirs:
                raise ValueError(f"encoder.{what} is {ours} and decoder.{what} is {theirs}; they must be the same")
        self.z_dim, self.classes = cast(int, decoder.z_dim), int(getattr(decoder, "classes", 0))
        self.parameters_trained = [*self.encoder.parameters(), *self.decoder.parameters()]
        self.decoder_ema = copy.deepcopy(decoder).eval().requires_grad_(False)
        self.average = RunningAverage(self.decoder_ema, self.decoder)
        self.infinite = infinite_buffers(self.encoder, self.decoder)

    # The step

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        self.check_labels(batch.y)
        reals = to_unit(batch.real, cast(torch.dtype, self.dtype))
        reseed(key(self.seed, self.images_shown, PLAYER, self.global_rank), self.device)
        bound = self.bound(reals, batch.y, self.noise(len(reals)))
        loss = (bound.reconstruction + at(self.beta, self.images_shown) * bound.kl).mean()
        for w in self.parameters_trained:
            w.grad = None
        self.manual_backward(loss)
        self.step()
        self.meter.statistics.add({"loss": loss, "reconstruction": bound.reconstruction, "kl": bound.kl}, len(reals))
        self.end_batch(len(reals) * world_size())

    def noise(self, n: int) -> Tensor:
        """This rank's rows of the global batch's noise, standard normal (n, z_dim), keyed by the time."""
        generator = torch.Generator(self.device).manual_seed(key(self.seed, self.images_shown, "z"))
        noise = torch.randn(n * world_size(), self.z_dim, generator=generator, device=self.device)
        return noise[self.global_rank * n : (self.global_rank + 1) * n]

    def bound(self, images: Tensor, y: Tensor | None, noise: Tensor) -> Bound:
        """The parts of -ELBO for images (B, C, H, W) in [-1, 1], labels (B,) or None, and noise (B, z_dim)."""
        mean, log_variance = self.encoder(images, y)
        given = self.decoder(reparameterised(mean, log_variance, noise), y).images[-1]
        with torch.autocast(self.device.type, enabled=False):
            nll = self.nll(at_least_float32(images), at_least_float32(given))
            return Bound(nll, kl_from_standard_normal(mean, log_variance))

    def step(self) -> None:
        """One step of the optimiser at the learning rate of this moment."""
        optimizer = cast(Any, self.optimizers())
        for group in optimizer.optimizer.param_groups:
            group["lr"] = self.lr()
        optimizer.step()  # several processes average the gradients here
        self.meter.count_update(PLAYER, [w.grad for w in self.parameters_trained])

    def lr(self) -> float:
        """The learning rate of the next step."""
        return self.base_lr * at(self.schedule.get("lr", 1.0), self.images_shown)

    def end_batch(self, images: int) -> None:
        """Count a batch of `images` over all processes, move the average, pass statistics on."""
        self.images_shown += images
        self.average.update(images, at(self.ema_half_life, self.images_shown), self.images_shown, self.ema_ramp)
        self.count_batch(images)

    def current_values(self) -> dict[str, float | Tensor]:
        scheduled = {n: s for n, s in find_schedules(self._schedules).items() if n != "lr"}  # logged as the rate itself
        shown = {f"schedule/{name}": schedule(self.images_shown) for name, schedule in scheduled.items()}
        return {f"lr/{PLAYER}": self.lr()} | shown

    # What Lightning asks for

    def average_over_ranks(self) -> None:
        average_buffers_(self.encoder, self.decoder, self.decoder_ema)
        self.meter.statistics.average_over_ranks()

    def configure_optimizers(self) -> Optimizer:
        optimizer = self.make_optimizer(self.parameters_trained)
        self.base_lr = float(optimizer.param_groups[0]["lr"])  # before a checkpoint restores a changed one
        return optimizer

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_finite({"encoder": self.encoder, "decoder": self.decoder, "decoder's average": self.decoder_ema})
        checkpoint["progress"] = {"images_shown": self.images_shown} | self.meter.progress()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        found = len(checkpoint.get("optimizer_states") or ())
        if found != 1:
            raise UserError(f"the checkpoint holds the state of {found} optimisers, and a VAE has one: it is damaged")
        self.images_shown = checkpoint["progress"]["images_shown"]
        self.meter.load_progress(checkpoint["progress"])

    # Judging and sampling

    @torch.no_grad()
    def score_reals(self, images: Tensor, y: Tensor | None = None, batch_size: int = 256) -> dict[str, float]:
        """`elbo`: the mean evidence lower bound of the images in nats, with one z for each, whatever beta is."""
        generator = torch.Generator().manual_seed(key(self.seed, "elbo"))
        noise, bounds = torch.randn(len(images), self.z_dim, generator=generator), list[Tensor]()
        with evaluating(self.encoder, self.decoder):
            for rows in torch.arange(len(images)).split(batch_size):
                reals, labels = self.on_device(images[rows], None if y is None else y[rows])
                bound = self.bound(reals, labels, noise[rows].to(self.device))
                bounds.append(-bound.reconstruction - bound.kl)
        return {"elbo": torch.cat(bounds).mean().item()}

    @torch.no_grad()
    def reconstruct(self, images: Tensor, y: Tensor | None = None) -> Tensor:
        """See `Experiment.reconstruct`: what the decoder makes of the mean of q(z | x)."""
        with evaluating(self.encoder, self.decoder):
            reals, labels = self.on_device(images, y)
            return to_stored(self.decoder(self.encoder(reals, labels)[0], labels).images[-1], self.depth)

    def on_device(self, images: Tensor, y: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Stored images in [-1, 1], and their labels where the model takes any, on its device."""
        reals = to_unit(images.to(self.device), cast(torch.dtype, self.dtype))
        return reals, y.to(self.device) if y is not None and self.classes else None

    def sample_pyramids(
        self,
        n: int,
        seed: int,
        y: Tensor | int | None = None,
        ema: bool = True,
        batch_size: int = 256,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[Pyramid]:
        """See `Experiment.sample_pyramids`. BatchNorm's statistics are estimated anew for the averaged weights, as a GAN's."""
        name, net = ("decoder's average", self.decoder_ema) if ema else ("decoder", self.decoder)
        self.check_finite({name: net})
        average_buffers_(net)
        z, labels = sampling.latents(n, self.z_dim, seed), sampling.labels(n, self.classes, seed, y)
        with evaluating(self.decoder):
            G = sampling.for_evaluation(net, self.z_dim, self.classes, self.seed, self.device) if ema else net
            yield from sampling.pyramids(G, z, labels, self.device, batch_size, shard, self.depth)


@contextmanager
def evaluating(*nets: nn.Module) -> Iterator[None]:
    """With the nets in evaluation mode."""
    before = [net.training for net in nets]
    for net in nets:
        net.eval()
    try:
        yield
    finally:
        for net, training in zip(nets, before, strict=True):
            net.train(training)


def check_options(
    optimizer: Mapping[str, object],
    schedule: Mapping[str, object],
    likelihood: str,
    log_kimg: float,
    ema_ramp: float | None,
) -> None:
    """Raise ValueError for options with which nothing would be trained, logged or averaged."""
    if set(optimizer) != {PLAYER}:
        raise ValueError(
            f"optimizer has {', '.join(optimizer) or 'nothing'}; a VAE takes one under {PLAYER}: give optimizer=vae_adam"
        )
    if unknown := set(schedule) - {"lr"}:
        raise ValueError(f"schedule has lr for a VAE, and no {min(unknown)}; beta is scheduled as model.beta")
    if likelihood not in get_args(Likelihood):
        raise ValueError(f"likelihood is {likelihood!r}; it must be one of {', '.join(get_args(Likelihood))}")
    if not log_kimg > 0:
        raise ValueError(f"log_kimg is {log_kimg}; it must be above 0")
    if ema_ramp is not None and not 0 < ema_ramp <= 1:
        raise ValueError(f"ema_ramp is {ema_ramp}; it must be above 0 and at most 1, or null for a fixed decay")
