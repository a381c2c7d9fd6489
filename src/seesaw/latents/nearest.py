"""`seesaw nearest`: samples of a run beside their nearest training images."""

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.functional.neighbours import nearest
from seesaw.functional.pixels import to_8_bit
from seesaw.latents.model import Chosen, LatentModel, open_model
from seesaw.latents.place import ELSEWHERE
from seesaw.latents.targets import at_size
from seesaw.metrics.extractors.base import rows_of
from seesaw.metrics.reference import kept_indices
from seesaw.training.build import construct
from seesaw.training.inference import device, metrics_node
from seesaw.training.pictures import save_png
from seesaw.training.preview import Row, labelled
from seesaw.training.run_folder import strict
from seesaw.util import atomic_write

BATCH = 256


class Side(NamedTuple):
    """One part of the set: its images, and the features of those that are compared, (n, d), in the order of `kept_indices`."""

    images: Any
    features: Tensor


class Compared(NamedTuple):
    """What samples are compared by.

    Attributes:
        words: the features, in words.
        samples: features of the samples, (N, d).
        training: the images of training.
        held_out: those held out; None where there are none.
    """

    words: str
    samples: Tensor
    training: Side
    held_out: Side | None


def nearest_images(chosen: Chosen, count: int, seed: int, neighbours: int, by: str | None, out: Path) -> str:
    """Write a sheet with a row for each sample, the nearest one first: the sample, its nearest training images, and where images
    are held out the nearest of those; and NAME.json with the distances.

    Args:
        chosen: the checkpoint.
        count: samples.
        seed: key of their latents and labels.
        neighbours: training images beside each sample.
        by: features or pixels; None: the features of the run's metrics, pixels where it has none.
        out: the PNG.

    Returns:
        The lines to print.

    Raises:
        UserError: the run has no metrics and features are wanted, its data are gone, or a file cannot be written.
    """
    model = open_model(chosen)
    y = model.drawn_labels(count, seed)
    z = model.latents(count, seed)
    of_chunk = [None] * len(z) if y is None else list(y.split(BATCH))
    samples = torch.cat([model.images(part, own) for part, own in zip(z.split(BATCH), of_chunk, strict=False)])
    compared = features_of(model, samples, by)
    trained = nearest(compared.samples, compared.training.features, neighbours)
    order = trained.distance[:, 0].argsort()
    held = None if compared.held_out is None else nearest(compared.samples, compared.held_out.features)
    rows = []
    for k in order.tolist():
        pictures = [samples[k : k + 1], pictures_of(compared.training, trained.index[k], model)]
        name = f"{trained.distance[k, 0]:.3g}"
        if held is not None and compared.held_out is not None:
            pictures.append(pictures_of(compared.held_out, held.index[k], model))
            name += f" | {held.distance[k, 0]:.3g}"
        rows.append(Row(name, to_8_bit(torch.cat(pictures))))
    save_png(labelled(rows), out)
    usual = typical(compared)
    content = as_dict(chosen, compared, trained, held, usual)
    atomic_write(out.with_suffix(".json"), json.dumps(strict(content), indent=2) + "\n", ELSEWHERE)
    return text(out, compared, trained.distance[:, 0], usual, model)


def text(out: Path, compared: Compared, distance: Tensor, usual: dict[str, float], model: LatentModel) -> str:
    """The lines to print."""
    words = {"held_out": "held-out images to theirs", "training": "training images to their nearest others"}
    beside = "; ".join(f"of {words[name]} {value:.3g}" for name, value in usual.items())
    columns = "a sample, its nearest training images" + (", the nearest held-out one" if compared.held_out else "")
    return (
        f"median distance of samples to their nearest training image: {distance.median():.3g}; {beside} ({compared.words})\n"
        f"{out}: {len(distance)} rows, nearest first: {columns}; {model.described(drawn=True)}"
    )


def typical(compared: Compared) -> dict[str, float]:
    """What a sample's distance compares with: the median distance of held-out images to their nearest training image; without any
    that of training images to their nearest others."""
    training = compared.training.features
    if compared.held_out is not None:
        return {"held_out": nearest(compared.held_out.features, training).distance.median().item()}
    return {"training": nearest(training).distance.median().item()} if len(training) > 1 else {}


def features_of(model: LatentModel, samples: Tensor, by: str | None) -> Compared:
    """The features of samples and real images, by the run's metrics or by pixels."""
    nodes, packages = model.setting.nodes, model.chosen.packages
    measured = isinstance(nodes["metrics"].get("extractor"), dict)
    if by == "features" and not measured:
        raise UserError("--by features: the run has metrics=none; give --by pixels")
    data = model.data()
    held_out = getattr(data, "held_out", None)
    if by == "pixels" or not measured:
        return by_pixels(model, samples, data.reals, held_out)
    callback = construct(metrics_node(nodes["metrics"], None), "metrics", packages)
    evaluator = callback.evaluator
    evaluator.prepare(data.reals, model.setting.cache_dir, device(), callback.parts_of(data))
    dim = evaluator.extractor.dim
    ours = torch.cat([rows_of(evaluator.extractor, to_8_bit(part))[:, :dim] for part in samples.split(BATCH)])
    training = Side(data.reals, (evaluator.reference.training or evaluator.reference).features)
    apart = evaluator.reference.held_out
    held = None if apart is None else Side(held_out, apart.features)
    return Compared(f"features of {evaluator.extractor.name}", ours, training, held)


def by_pixels(model: LatentModel, samples: Tensor, reals: Any, held_out: Any) -> Compared:
    """Pixels as features, as root mean square differences in the range of values."""
    most = 65535 if samples.dtype == torch.uint16 else 255
    scale = most * samples[0].numel() ** 0.5

    def flat(images: Any) -> Tensor:
        parts = (at_size(images.gather(rows).cpu(), model.shape[1:]) for rows in kept_indices(len(images)).split(BATCH))
        return torch.cat([part.float().flatten(1) / scale for part in parts])

    held = None if held_out is None else Side(held_out, flat(held_out))
    return Compared("root mean square of pixels, 1 the range", samples.float().flatten(1) / scale, Side(reals, flat(reals)), held)


def pictures_of(side: Side, rows: Tensor, model: LatentModel) -> Tensor:
    """The real images of these rows of the features, as large as the samples."""
    return at_size(side.images.gather(kept_indices(len(side.images))[rows.cpu()]).cpu(), model.shape[1:])


def as_dict(chosen: Chosen, compared: Compared, trained: Any, held: Any, usual: dict[str, float]) -> dict[str, Any]:
    """What NAME.json holds: of each sample, in the order of their seeds, numbers of images and distances."""
    of_training = kept_indices(len(compared.training.images))[trained.index.cpu()].tolist()
    rows = [{"training": i, "distance": d} for i, d in zip(of_training, trained.distance.tolist(), strict=True)]
    if held is not None and compared.held_out is not None:
        apart = kept_indices(len(compared.held_out.images))[held.index.cpu()][:, 0].tolist()
        for row, index, distance in zip(rows, apart, held.distance[:, 0].tolist(), strict=True):
            row |= {"held_out": index, "held_out_distance": distance}
    medians = {f"median_distance_of_{name}": value for name, value in usual.items()}
    own = {"checkpoint": str(chosen.path), "compared_by": compared.words}
    return own | {"median_distance_of_samples": trained.distance[:, 0].median().item(), **medians, "samples": rows}
