"""`init_from=RUN`: a new run starts from the weights of another one, with other data, other classes or a larger resolution.

The checkpoint may come from a stranger: `seesaw.training.checkpoint_file.load` executes nothing in it, nothing that its
configuration names is built, and of its weights only plain tensors of the right shapes are taken.
"""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from seesaw.config.assemble import assemble
from seesaw.errors import UserError
from seesaw.experiment import Experiment
from seesaw.functional.resolution import Size, size_of
from seesaw.functional.staged import Staged
from seesaw.gan.module import GAN
from seesaw.training.build import construct
from seesaw.training.checkpoint_file import load
from seesaw.training.run_folder import initial_checkpoint

NETS = ("G", "D", "G_ema")
"""What is taken of a run: both players and G's average; neither optimisers nor the time."""

NAMED = 3
"""How many weights an error names."""

Shapes = dict[str, tuple[int, ...]]


class Source(NamedTuple):
    """A checkpoint to begin from.

    Attributes:
        path: of the file.
        weights: of the players and G's average, by name.
        images_shown: real images that they had been shown.
        classes: the names of the classes that they take; empty without labels.
        size: height and width of its images; None where they are not known.
    """

    path: Path
    weights: dict[str, Tensor]
    images_shown: int
    classes: tuple[str, ...]
    size: Size | None


class Started(NamedTuple):
    """What a run has begun from: the source, and the layers that it starts anew."""

    source: Source
    anew: list[str]

    def message(self) -> str:
        """The line to print."""
        line = f"init_from: weights of {self.source.path} at {self.source.images_shown / 1000:g} kimg"
        return f"{line}; {', '.join(self.anew)} start anew" if self.anew else line

    def status(self) -> dict[str, Any]:
        """The entry of status.json."""
        return {"checkpoint": str(self.source.path), "images_shown": self.source.images_shown, "anew": self.anew}


def start_from(model: Experiment, config: dict[str, Any]) -> Started:
    """Give the model the weights of the run that `init_from` names. Nothing is changed where that fails.

    Args:
        model: with its initial weights, which stay where a layer depends on the classes and these are others, or belongs to a
            scale that the source does not have.
        config: of the new run.

    Raises:
        UserError: there is no such checkpoint, it is damaged, or its weights do not fit.
    """
    if not isinstance(model, GAN):
        kind = type(model).__name__
        raise UserError(f"init_from: a GAN alone begins with the weights of another run, and this is a {kind}; leave it out")
    source = read_source(initial_checkpoint(config["init_from"]))
    own = {name: value for name, value in model.state_dict().items() if name not in of_the_stage(model)}
    own = {name: value for name, value in own.items() if name.partition(".")[0] in NETS and isinstance(value, Tensor)}
    size = size_of(config["data"]["resolution"])
    free = of_the_classes(config, source.classes) | of_the_finest_scale(model, source, size)
    wrong = misfits(own, source, free, math.prod(size))
    if wrong:
        more = f"; and {len(wrong) - NAMED} more" if len(wrong) > NAMED else ""
        what = f"init_from={config['init_from']}: its weights do not fit: {'; '.join(wrong[:NAMED])}{more}"
        raise UserError(f"{what}: {hint(source, size)}")
    anew = [name for name in own if name not in source.weights or source.weights[name].shape != own[name].shape]
    anew += [name for name in own if name in free and name not in anew]
    refuse_frozen(model, anew)
    with torch.no_grad():
        for name, value in own.items():
            if name not in anew:
                value.copy_(source.weights[name])
    return Started(source, layers(anew))


def read_source(path: Path) -> Source:
    """The weights in a checkpoint. UserError where it is no GAN's, or holds something else than finite plain tensors."""
    checkpoint = load(path)
    state, data = checkpoint.get("state_dict"), checkpoint["config"].get("data")
    if not isinstance(state, dict) or not isinstance(data, dict):
        raise UserError(f"init_from: {path} holds no weights")
    weights = {
        name: value
        for name, value in state.items()
        if isinstance(name, str) and name.partition(".")[0] in NETS and isinstance(value, Tensor)
    }
    if {name.partition(".")[0] for name in weights} != set(NETS):
        raise UserError(f"init_from: {path} is not of a GAN: it has no weights of {', '.join(NETS)}")
    for name, value in weights.items():
        if value.layout != torch.strided or value.is_quantized or value.is_meta or value.is_complex():
            raise UserError(f"init_from: {path}: {name} is no plain tensor")
        if not torch.isfinite(value).all():
            raise UserError(f"init_from: {path}: {name} is not finite; give another checkpoint, such as best.ckpt")
    classes = data.get("classes")
    number = classes if type(classes) is int and data.get("labels") is True else 0
    names = data.get("class_names")
    named = (
        tuple(map(str, names)) if isinstance(names, list) and len(names) == number else tuple(map(str, range(number)))
    )
    shown = checkpoint["progress"]["images_shown"]
    return Source(path, weights, shown, named, known_size(data.get("resolution")))


def known_size(resolution: Any) -> Size | None:
    """Height and width of images of this resolution, a number or HxW. None where it is no resolution, as in a stranger's
    checkpoint."""
    try:
        return size_of(resolution)
    except ValueError:
        return None


def hint(source: Source, size: Size) -> str:
    """What the user can do where weights do not fit."""
    same = "give the model, its widths, z_dim and data.channels as that run had them"
    if source.size is None or source.size == size:
        return same
    height, width = source.size
    label = f"{height}" if height == width else f"{height}x{width}"
    return f"{same}, and data.resolution={label} where, as here, more layers than those of the new scales depend on it"


def of_the_stage(model: nn.Module) -> set[str]:
    """The names of what a growing model sets by the time."""
    return {f"{name}.alpha" for name, module in model.named_modules() if isinstance(module, Staged)}


def of_the_classes(config: dict[str, Any], before: tuple[str, ...]) -> set[str]:
    """The names of the weights whose shapes depend on the number of classes, where the classes are others than `before`.

    They are found by building the players for other numbers of classes: what a model does with labels is its own affair.
    """
    data = config["data"]
    classes = tuple(map(str, data.get("class_names") or range(data["classes"]))) if data.get("labels") else ()
    if classes == before:
        return set()
    counts = sorted({len(classes), len(before), len(classes) + 1})
    found = [shapes_with(config, count) for count in counts]
    names = {name for shapes in found for name in shapes}
    return {name for name in names if len({shapes.get(name) for shapes in found}) > 1}


def of_the_finest_scale(model: GAN, source: Source, size: Size) -> set[str]:
    """The names of the weights of D's layer nearest to the image, where the source has another resolution and this layer another
    shape: the layer belongs to a scale that the source does not have."""
    layers_from_image: Any = getattr(model.D, "layers_from_image", None)
    if source.size in (None, size) or layers_from_image is None:
        return set()
    first = {id(weight) for layer in layers_from_image()[:1] for weight in layer}
    found = {f"D.{name}": weight for name, weight in model.D.named_parameters() if id(weight) in first}
    return {name for name, weight in found.items() if name in source.weights and source.weights[name].shape != weight.shape}


def shapes_with(config: dict[str, Any], classes: int) -> Shapes:
    """The shapes of the players' weights, were there so many classes; no random generator is moved."""
    node, shapes = assemble(config)["model"], Shapes()
    with torch.random.fork_rng(devices=[]):
        for player in ("G", "D"):
            own = node[player] | ({"classes": classes} if "classes" in node[player] else {})
            net = construct(own, f"model.{player}", config["packages"])
            for name, value in net.state_dict().items():
                if isinstance(value, Tensor):
                    shapes[f"{player}.{name}"] = tuple(value.shape)
    return shapes | {f"G_ema{name[1:]}": shape for name, shape in shapes.items() if name[0] == "G"}


def misfits(own: Mapping[str, Tensor], source: Source, free: set[str], pixels: int) -> list[str]:
    """Why the weights do not fit: one part of a sentence for each name. Scales that only one of the two has are passed over."""
    before = 0 if source.size is None else math.prod(source.size)  # with the base grid equal, more pixels are more scales
    larger, smaller = pixels > before > 0, pixels < before
    wrong = []
    for name, value in own.items():
        there = source.weights.get(name)
        if name in free or (there is None and larger):
            continue
        if there is None or there.shape != value.shape:
            was = "missing" if there is None else shape_of(there)
            wrong.append(f"{name} is {was} there and {shape_of(value)} here")
    stage = {name for name in source.weights if name.endswith(".alpha") and name not in own}
    unknown = [name for name in source.weights if name not in own and name not in free and name not in stage]
    return wrong + (
        [] if smaller else [f"{name} is {shape_of(source.weights[name])} there and missing here" for name in unknown]
    )


def shape_of(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "one number"


def layers(names: list[str]) -> list[str]:
    """The layers of these weights, but for G's average, which follows G."""
    found = (name.removesuffix(".parametrizations.weight.original").rpartition(".")[0] for name in names)
    return list(dict.fromkeys(name.partition(".parametrizations")[0] for name in found if not name.startswith("G_ema")))


def refuse_frozen(model: GAN, anew: list[str]) -> None:
    """UserError where a layer that starts anew would be frozen as it starts."""
    trained = {id(w) for w in model.weights["D"]}
    frozen = {f"D.{name}" for name, w in model.D.named_parameters() if id(w) not in trained}
    if wrong := layers([name for name in anew if name in frozen]):
        raise UserError(
            f"model.freeze_d would freeze {', '.join(wrong)}, which start anew, since the run of init_from has no such weights: "
            "give a smaller model.freeze_d"
        )
