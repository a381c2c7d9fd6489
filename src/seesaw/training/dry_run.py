"""What the first step of a run would refuse, found before the run has a folder: the optimisers, and shapes without numbers."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from seesaw.config.assemble import assemble
from seesaw.config.values import shown
from seesaw.errors import UserError
from seesaw.functional.resolution import size_of
from seesaw.gan.interface import is_own
from seesaw.gan.module import GAN
from seesaw.training.build import construct
from seesaw.training.error_messages import first_line
from seesaw.training.interface import check_fake, check_logits, check_scales, check_term, place
from seesaw.vae.module import VAE

Playable = TypeVar("Playable", bound=nn.Module)

BOUNDS = {
    "lr": "at least 0",
    "betas": "two numbers from 0 to below 1",
    **dict.fromkeys(("eps", "weight_decay", "momentum", "alpha"), "at least 0"),
}
"""The ranges of the arguments of torch's optimisers, whose own errors do not name the argument."""


def check_optimizers(config: dict[str, Any]) -> None:
    """UserError with the key where an optimiser refuses its arguments; Lightning would make it only within the run."""
    for name, node in assemble(config).get("model", config).get("optimizer", {}).items():
        where = f"optimizer.{name}"
        make = construct(node, where, config["packages"])
        try:
            made = make([nn.Parameter(torch.zeros(1))])
        except ValueError as error:
            raise UserError(_refused(where, make, error, config["optimizer"][name])) from error
        if "beta2" in config.get("schedule", {}) and "betas" not in made.defaults:
            name = type(made).__name__
            raise UserError(
                f"schedule.beta2: {where} is {name}, which has no betas; leave it out or give optimizer=adam"
            )


def _refused(where: str, make: Any, error: ValueError, given: dict[str, Any]) -> str:
    """The sentence under the one argument that is refused also when it stands alone, with its value as `given`."""
    for key, value in make.keywords.items():
        try:
            make.func([nn.Parameter(torch.zeros(1))], **{key: value})
        except ValueError:
            bound = (
                f"{shown(given.get(key, value))} is out of range; give {BOUNDS[key]}"
                if key in BOUNDS
                else first_line(error)
            )
            return f"{where}.{key}: {bound}"
    return f"{where}: {first_line(error)}"


def check_step(model: object, data: Any, devices: int) -> list[str]:
    """Play every phase of a GAN once at every scale, with every size of a micro-batch, or a VAE's one step, before there is a run
    folder.

    On torch's meta device, which knows shapes alone: this takes milliseconds and no memory at any size. Shapes that fail there
    are played once more with numbers, which words it better and refuses nothing that works. Where that device cannot do what
    others can, the rest of the step is not tried.

    Args:
        data: gives `channels`, `resolution` and `batch_size`; not read.
        devices: among which the batch is divided.

    Returns:
        A line for each scale: the shapes that the players receive and give. Empty where they were not tried.

    Raises:
        UserError: the players do not take each other's images or the data's, or a part cannot divide the batch.
    """
    if not isinstance(model, GAN | VAE):
        return []
    play: Callable[..., list[str]] = _play_scales if isinstance(model, GAN) else _play_vae
    try:
        return play(_ghost(model), data, devices, "meta")
    except UserError:
        raise
    except Exception as error:
        if isinstance(error, NotImplementedError) or any(word in str(error) for word in ("device", "meta")):
            return []
        with torch.random.fork_rng(devices=[]):
            return play(copy.deepcopy(model), data, devices, "cpu")


def _ghost(model: Playable) -> Playable:
    """A copy whose weights and buffers have shapes and no numbers. What computes a weight from its numbers is left out."""
    memo: dict[int, Any] = {
        id(p): nn.Parameter(torch.empty_like(p, device="meta"), p.requires_grad) for p in model.parameters()
    }
    memo |= {id(b): torch.empty_like(b, device="meta") for b in model.buffers()}
    ghost = copy.deepcopy(model, memo)
    for layer in ghost.modules():
        if isinstance(layer, parametrize.ParametrizationList):  # to remove it would change the class, which both share
            layer[0] = nn.Identity()
    return ghost


def _play_vae(vae: VAE, data: Any, devices: int, device: str) -> list[str]:
    """One pass of a VAE and back; returns the shapes of images and latents."""
    size = max(data.batch_size // devices, 1)
    reals = torch.zeros(size, data.channels, *size_of(data.resolution), device=device)
    y = torch.zeros(size, dtype=torch.int64, device=device) if vae.classes else None
    with _worded("model.encoder", reals, ": leave its channels and resolution as data has them"):
        mean, log_variance = vae.encoder(reals, y)
    with _worded("model.decoder", reals):
        given = vae.decoder(mean, y).images
    if (gives := _sizes(given)) != (takes := _sizes([reals])):
        raise UserError(
            f"model.decoder gives images of {gives}, and the reals are {takes}: leave model.decoder.channels and "
            "model.decoder.resolution as data.channels and data.resolution have them"
        )
    (given[-1].mean() + log_variance.mean()).backward()
    return [f"from 0 kimg: {size} a pass, {takes} -> encoder -> z {vae.z_dim} -> decoder -> {gives}"]


def _play_scales(gan: GAN, data: Any, devices: int, device: str) -> list[str]:
    lines: list[str] = []
    for images_shown in sorted({0, gan.last_change, *gan.growth.changes}):
        gan.growth.advance(images_shown, [gan.G, gan.D, gan.view], [])
        for part in gan.parts:
            part.advance(0, images_shown)
        batch_size = max(data.batch_size_at(images_shown) // devices, 1)
        shapes = _play(gan, torch.zeros(batch_size, data.channels, *size_of(data.resolution), device=device))
        if not lines or not lines[-1].endswith(shapes):
            lines.append(f"from {images_shown / 1000:g} kimg: {shapes}")
    return lines


def _micro_batches(images: int, micro_batch: int | None) -> list[int]:
    """The sizes of the passes over `images`: that of all, or of a whole micro-batch and of the last one."""
    size = min(micro_batch or images, images)
    return [size] + ([images % size] if images % size else [])


def _play(gan: GAN, reals: Tensor) -> str:
    """One step of every phase; returns the shapes of latents, fakes and reals."""
    z = torch.zeros(len(reals), gan.z_dim, device=reals.device)
    y = torch.zeros(len(reals), dtype=torch.int64, device=reals.device) if gan.classes else None
    passes = _micro_batches(len(reals), gan.micro_batch)
    for n in passes:
        _play_players(gan, z[:n], reals[:n], None if y is None else y[:n])
    game = gan.game(reals, y, {})
    gan.game_setup.fakes.reset(True)
    for name, phase in gan.phases.items():
        for n in _micro_batches(max(int(len(reals) * phase.batch_fraction), 1), gan.micro_batch):
            with _worded(f"phase {name}", reals[:n]):
                game.freeze_opponent(phase.player)
                batch = game.adversarial_batch(phase, reals[:n], z[:n], None if y is None else y[:n])
                if "adversarial" in phase.terms:
                    term = phase.terms["adversarial"]
                    check_term(f"loss.{phase.player.lower()}", term, term(batch), batch.fake_logits)
                loss, _ = phase(batch)
                loss.backward()
    with torch.no_grad():
        seen = _sizes(gan.view(reals[:1]))
    return f"{' and '.join(map(str, passes))} a pass, z {gan.z_dim} -> G -> {seen} -> D"


def _play_players(gan: GAN, z: Tensor, reals: Tensor, y: Tensor | None) -> None:
    """A pass through G, and one through D."""
    with _worded(place("model.G", gan.G), reals, own=is_own(gan.G)):
        made = check_fake(gan.G, gan.G(z, y), len(z))
    view = gan.view(reals)
    check_scales(gan.G, _sizes(made), takes := _sizes(view))
    hint = f", for images of {takes}: leave its channels, resolution and pack as data and balance have them"
    if is_own(gan.D):
        hint = f": it takes a list of images, coarse to fine, of {takes}, of which images[-1] is the finest, and labels or None"
    with _worded(place("model.D", gan.D), reals, hint, is_own(gan.D)):
        images, labels = gan.into_discriminator(view, y)
        check_logits(gan.D, gan.D(images, labels), len(images[-1]))


def _sizes(pyramid: list[Tensor]) -> str:
    return " + ".join("x".join(map(str, x.shape[1:])) for x in pyramid)


@contextmanager
def _worded(where: str, images: Tensor, hint: str = "", own: bool = False) -> Iterator[None]:
    """Turn torch's error about shapes, and any of a class of one's own, into a sentence; on the meta device raise it as it is,
    for the second try with numbers."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        text = first_line(error)
        if not own and not isinstance(error, RuntimeError | ValueError | IndexError):
            raise
        if images.is_meta:
            raise
        if "alloc" in text:  # the memory of this host is not that of the device that will train
            return
        if "Expected more than 1 value per channel" in text:
            where, hint = f"{where} with {len(images)} images", ""
            text = "BatchNorm takes more than one sample a pass; give a larger batch_size or model.micro_batch"
        trace = "; SEESAW_TRACE=1 shows where" if own else ""
        raise UserError(f"{where}: {text}{hint}{trace}") from error
