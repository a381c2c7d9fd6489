"""From a run folder, a checkpoint or an export to its trained networks. Imports neither Lightning nor Hydra.

The file may come from a stranger: nothing in it is executed, and nothing that its configuration names is imported before
`seesaw.config.allowed` has let it pass.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seesaw.config.allowed import check_packages, refuse_foreign, refuse_unknown
from seesaw.config.nodes import build_node
from seesaw.config.values import check
from seesaw.errors import UserError
from seesaw.gan.interface import adapt_discriminator, adapt_generator
from seesaw.shared.finite import check_weights, infinite_buffers
from seesaw.trained import exported
from seesaw.trained.inputs import device_of, texts_of
from seesaw.trained.onnx_file import SUFFIX, OnnxGenerator, read_onnx
from seesaw.trained.trained import Trained
from seesaw.training.checkpoint_file import allowed_parts, checkpoint_to_hand_on, of_this_version
from seesaw.training.checkpoint_file import load as read_checkpoint


class Net(NamedTuple):
    """Where a network stands: its key in `config.model`, those of its weights in the state dict, and what sentences call it."""

    key: str
    average: str
    raw: str
    name: str


PROGRAM = ".pt2"
"""A program of torch's, which seesaw does not run."""

NETS = {"G": Net("G", "G_ema", "G", "G"), "decoder": Net("decoder", "decoder_ema", "decoder", "decoder")}
"""The networks that make images, by their key in `config.model`: a GAN's and a VAE's."""


def load(
    run: Path | str,
    which: str | None = None,
    packages: Sequence[str] = (),
    raw: bool = False,
    device: torch.device | str | None = None,
) -> Trained:
    """Load what a run has trained.

    Args:
        run: a run folder, a checkpoint file, or what `seesaw export` wrote to safetensors, hub or onnx.
        which: of a run folder the checkpoint `best`, `last`, or another file name of checkpoints/ without .ckpt; None: the best,
            of a run that measured nothing the last.
        packages: own packages whose classes the file may name; any class and function in them may be called.
        raw: the generator itself in the place of its average.
        device: where the networks lie; None: on the GPU where there is one, else on the CPU.

    Raises:
        UserError: there is no such run or checkpoint; it is damaged, of another version, names classes that may not be built, or
            holds no generator; torch has no such device; an argument is of another kind.
    """
    if not isinstance(run, str | os.PathLike):
        raise UserError(f"run is {run!r}; give the path of a run folder, a checkpoint or an export")
    if not isinstance(which, str | None):
        raise UserError(f"which is {which!r}; give best, last or the name of another checkpoint, such as kimg10")
    packages = texts_of(packages, "packages", "my_gan")
    check_packages(packages)
    path = Path(run).expanduser()
    if exported.is_folder(path) or path.suffix in (exported.SUFFIX, SUFFIX, PROGRAM):
        return from_export(path, packages, raw, device_of(device))
    path = checkpoint_to_hand_on(path, which)
    return from_checkpoint(path, read_checkpoint(path), packages, raw, device_of(device))


def from_checkpoint(
    path: Path, checkpoint: dict[str, Any], packages: Sequence[str], raw: bool, device: torch.device
) -> Trained:
    """The networks of what `read_checkpoint` gave of the file `path`."""
    config, shown, state = checkpoint["config"], checkpoint["progress"]["images_shown"], checkpoint.get("state_dict")
    try:
        model = allowed_parts(config, packages)["model"]
        net = generating(model)
        G = build_generator(model, net, packages)
        infinite = infinite_buffers(G)
        restore(G, state, net.raw if raw else net.average)
    except UserError as error:
        raise UserError(f"{path}: {error}") from error.__cause__
    check_weights({net.name if raw else f"{net.name}'s average": G}, shown, infinite)
    D = discriminator_of(path, model, state, packages) if "D" in model else None
    return Trained(path, config, shown, G.to(device), D, not raw, not raw, packages, remade)


def discriminator_of(path: Path, model: dict[str, Any], state: Any, packages: Sequence[str]) -> Callable[[], nn.Module]:
    """What makes the discriminator with its weights out of a whole model's, when it is first asked for."""

    def make() -> nn.Module:
        try:
            D = build(model["D"], "model.D", packages)
            adapt_discriminator(D)
            return restore(D, state, "D")
        except UserError as error:
            raise UserError(f"{path}: {error}") from error.__cause__

    return make


def remade(state: dict[str, Any]) -> Trained:
    """The `Trained` whose `__reduce__` gave this state, on its device where this machine has it. UserError where an own package
    is missing here."""
    path, config, packages = state["path"], state["config"], state["packages"]
    model = allowed_parts(config, packages)["model"]
    G = restore(build_generator(model, generating(model), packages), state["weights"], "G")
    try:
        device = device_of(state["device"])
    except UserError:
        device = device_of(None)
    D = discriminator_of(path, model, state["weights"], packages) if state["D"] else None
    return Trained(path, config, state["images_shown"], G.to(device), D, False, state["averaged"], packages, remade)


def from_export(path: Path, packages: Sequence[str], raw: bool, device: torch.device) -> Trained:
    """The generator of what `seesaw export` wrote. Its BatchNorm has the statistics that it was exported with."""
    if path.suffix == PROGRAM:
        raise UserError(
            f"{path} is a program, which torch.export.load runs; seesaw.load reads exports to safetensors, hub and onnx"
        )
    if raw:
        raise UserError(f"{path} is an export and holds one generator: leave out raw, or load the run")
    if path.suffix == SUFFIX:
        made, description = read_onnx(path)
        config, shown = of_export(description, path)
        return exported_run(path, config, shown, made, description, packages)
    file = exported.weights_of_folder(path) if path.is_dir() else path
    if not file.is_file():
        raise UserError(f"{path}: there is no such file")
    tensors, description = exported.read_weights(file)
    config, shown = of_export(description, file)
    try:
        net = generating(allowed_parts(config, packages)["model"])
        G = build_generator(config["model"], net, packages)
        infinite = infinite_buffers(G)
        with_weights(G, {**tensors, **dict(description.get("extra_state") or {})})
    except UserError as error:
        raise UserError(f"{file}: {error}") from error.__cause__
    check_weights({net.name: G}, shown, infinite)
    return exported_run(file, config, shown, G.to(device), description, packages)


def of_export(description: dict[str, Any], path: Path) -> tuple[dict[str, Any], int]:
    """Configuration and images shown of an export's description. UserError: another version wrote it."""
    progress = {"images_shown": description["images_shown"]}
    saved = {"config": description["config"], "progress": progress, "format": description.get("format")}
    return of_this_version(saved, path)["config"], progress["images_shown"]


def exported_run(
    path: Path, config: dict[str, Any], shown: int, G: nn.Module, description: dict[str, Any], packages: Sequence[str]
) -> Trained:
    """What was exported, which keeps no discriminator."""
    averaged, again = description.get("averaged") is not False, None if isinstance(G, OnnxGenerator) else remade
    return Trained(path, config, shown, G, None, False, averaged, packages, again)


def generating(model: dict[str, Any]) -> Net:
    """The network of the node `model` that makes images. UserError: it has none, as a style transfer."""
    for key, net in NETS.items():
        if isinstance(model.get(key), dict):
            return net
    raise UserError(f"its model has no generator ({' or '.join(NETS)}), so there is nothing to sample")


def build(node: Any, where: str, packages: Sequence[str]) -> nn.Module:
    """The network of a node that is on the allow-list, with weights of no meaning yet. No global random generator moves.

    Raises:
        UserError: a value or a name in it may not be, or the network cannot be built.
    """
    refuse_unknown(node, where, packages)
    refuse_foreign(node, where, packages)
    group, _, key = where.partition(".")
    if wrong := check({group: {key: node}}):
        raise UserError("; ".join(wrong))
    with torch.random.fork_rng(devices=[]):
        net = build_node(node, where)
    if not isinstance(net, nn.Module):
        raise UserError(f"{where}: {type(net).__name__} is no torch.nn.Module")
    return net.to(memory_format=torch.channels_last)


def build_generator(model: dict[str, Any], net: Net, packages: Sequence[str]) -> nn.Module:
    """The network of a node `model` that makes images, in the form that training gives it. UserError: see `build`; or it is no
    generator."""
    G = build(model[net.key], f"model.{net.key}", packages)
    try:
        adapt_generator(G)
    except ValueError as error:
        raise UserError(f"model.{net.key}: {error}") from error
    return G


def restore(net: nn.Module, state: Any, prefix: str) -> nn.Module:
    """The network with its weights out of a whole model's: the keys that begin with `prefix` and a dot.

    Raises:
        UserError: they do not fit.
    """
    if not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
        raise UserError("it holds no weights")
    own = {key.removeprefix(f"{prefix}."): value for key, value in state.items() if key.startswith(f"{prefix}.")}
    return with_weights(net, own)


def with_weights(net: nn.Module, weights: dict[str, Tensor | Any]) -> nn.Module:
    """The network with these weights. UserError: they do not fit."""
    try:
        net.load_state_dict(weights)
    except (KeyError, TypeError, RuntimeError, AttributeError, ValueError) as error:
        raise UserError("the weights do not fit the model of its configuration") from error
    return net
