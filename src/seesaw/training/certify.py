"""`seesaw certify`: the memorisation report of a run: figures, a verdict, and samples beside their nearest training images."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.functional.pixels import to_8_bit
from seesaw.metrics.certificate import Certificate, certify
from seesaw.metrics.extractors.base import rows_of
from seesaw.metrics.reference import Reals, Reference, kept_indices
from seesaw.training.build import construct
from seesaw.training.callbacks.players import player_figures
from seesaw.training.inference import device, metrics_node, record_of, restore
from seesaw.training.pictures import grid, save_png
from seesaw.training.run_folder import strict
from seesaw.util import atomic_write

PAIRS, COLUMNS = 24, 8
"""Samples of the sheet, those nearest to a training image; and pictures in a row, four samples, each beside its neighbour."""

PLACE = "choose another run, or make the folder writable"


class Seen(NamedTuple):
    """A run's parts as the report needs them."""

    callback: Any
    model: Any
    data: Any
    training: Reference
    held_out: Reference | None


def report(
    run_path: Path,
    path: Path,
    raw: bool = False,
    n: int | None = None,
    fid: str | None = None,
    overrides: Sequence[str] = (),
    packages: Sequence[str] = (),
) -> str:
    """Write certificate.json, certificate.txt and certificate.png into the run folder.

    Args:
        run_path: what the user named: the run folder, or the checkpoint itself.
        path: the checkpoint.
        raw: the raw generator instead of its average.
        n: number of samples; None: as the run measures.
        fid: Inception's weights, to compare by its features; see `seesaw.training.inference.restore`.
        overrides, packages: see `seesaw.training.inference.restore`.

    Returns:
        The lines to print: those of certificate.txt and where the files are.

    Raises:
        UserError: the run measures nothing, is one of points, or a file cannot be written.
    """
    run = restore(path, overrides, packages, fid)
    if run.nodes["data"].get("resolution") == 1:
        raise UserError("a certificate compares images, and this run's data are points of the plane")
    callback = construct(metrics_node(run.nodes["metrics"], n), "metrics", packages)
    data = construct(run.nodes["data"], "data", packages)
    reals, parts = data.reals, callback.parts_of(data)
    evaluator = callback.evaluator
    evaluator.prepare(reals, run.cache_dir, device(), parts)
    seen = Seen(callback, run.model, data, evaluator.reference, evaluator.reference.held_out)
    fakes = evaluator.features(samples(seen, raw), evaluator.count)[:, : evaluator.extractor.dim]
    found = certify(fakes, seen.training, mirrored_features(seen, reals), seen.held_out)
    folder = record_of(run_path).parent
    pictures(seen, raw, found, folder / "certificate.png")
    content = as_dict(seen, found, path, run.images_shown / 1000, raw)
    return written(content, folder)


def written(content: dict[str, Any], folder: Path) -> str:
    """Write the figures as JSON and as text; returns the lines to print."""
    lines = text(content)
    atomic_write(folder / "certificate.json", json.dumps(strict(content), indent=2) + "\n", PLACE)
    atomic_write(folder / "certificate.txt", "\n".join(lines) + "\n", PLACE)
    return "\n".join([*lines, f"{folder}: certificate.json, certificate.txt, certificate.png"])


def samples(seen: Seen, raw: bool) -> Iterator[Tensor]:
    """The samples that the run's metrics measure, chunk by chunk; the same in every call."""
    callback, n = seen.callback, seen.callback.evaluator.count
    y = callback.labels(seen.model, seen.data.reals, n)
    yield from seen.model.sample(n, callback.latent_seed, y=y, ema=not raw, batch_size=callback.batch_size)


def mirrored_features(seen: Seen, reals: Reals) -> Tensor:
    """Features of the mirror images of the training reals whose features are kept, in their order."""
    evaluator = seen.callback.evaluator
    turned = (to_8_bit(reals.gather(rows)).flip(3) for rows in kept_indices(len(reals)).split(evaluator.batch_size))
    return torch.cat([rows_of(evaluator.extractor, images)[:, : evaluator.extractor.dim] for images in turned])


def pictures(seen: Seen, raw: bool, found: Certificate, path: Path) -> None:
    """Write the sheet: each sample, and to its right the training image that is nearest by features, mirrored where its mirror
    image is."""
    chosen = found.order[:PAIRS]
    own, first = dict[int, Tensor](), 0
    for chunk in samples(seen, raw):
        for k in chosen.tolist():
            if first <= k < first + len(chunk):
                own[k] = to_8_bit(chunk[k - first].cpu())
        first += len(chunk)
    reals = seen.data.reals
    rows = kept_indices(len(reals))[found.neighbour[chosen]]
    theirs = to_8_bit(reals.gather(rows).cpu())
    turned = torch.where(found.mirrored[chosen].view(-1, 1, 1, 1), theirs.flip(3), theirs)
    ours = torch.stack([own[k] for k in chosen.tolist()])
    if ours.shape != turned.shape:  # a growing model that has not grown to the end
        turned = torch.nn.functional.interpolate(turned.float(), ours.shape[-2:], mode="area").round().to(torch.uint8)
    save_png(grid(torch.stack([ours, turned], 1).flatten(0, 1), COLUMNS), path)


def as_dict(seen: Seen, found: Certificate, path: Path, kimg: float, raw: bool) -> dict[str, Any]:
    """What certificate.json holds."""
    reals, held_out = seen.data.reals, getattr(seen.data, "held_out", None)
    split = None if held_out is None else {"images": len(held_out), "hash": held_out.identity, "share": seen.data.holdout}
    figures = dict(found.figures)
    if held_out is not None:
        figures |= {n: v for n, v in player_figures(seen.data, seen.model).items() if n == "r_v"}
    own = seen.callback.evaluator
    return {
        "checkpoint": str(path),
        "kimg": kimg,
        "generator": "raw" if raw else "ema",
        "samples": own.count,
        "training": {"images": len(reals), "hash": reals.identity, "description": reals.description},
        "held_out": split,
        "extractor": f"{own.extractor.name} ({own.extractor.weights_hash})",
        **found.as_dict(),
        "figures": figures,
    }


MEANING = {
    "near": "samples as near to a training image as 5 % of reals",
    "near_limit": "the limit of that share",
    "authentic": "AuthPct / 100: samples that are no copies",
    "authentic_reals": "that of held-out reals",
    "c_t": "C_T (below 0: copies)",
    "fld_gap": "likelihood gap (below 0: memorised)",
    "duplicates": "samples that nearly equal another",
    "r_v": "r_v (1: D knows its reals by heart)",
    "precision": "samples in the surroundings of training images",
}
"""The figures in the order of the text."""


def text(content: dict[str, Any]) -> list[str]:
    """The report for a person."""
    training, held = content["training"], content["held_out"]
    lines = [f"{content['checkpoint']} at {content['kimg']:g} kimg: {content['state']}"]
    lines += [f"  {sentence[0].upper()}{sentence[1:]}." for sentence in content["sentences"]]
    lines.append(f"{content['samples']} {content['generator']} samples, {content['extractor']}")
    lines.append(f"training images: {training['images']:,} ({training['hash']})")
    lines.append(f"held out: {held['images']:,} ({held['hash']}), share {held['share']:g}" if held else "held out: none")
    lines += [f"{meaning:<52}{content['figures'][n]:.4g}" for n, meaning in MEANING.items() if n in content["figures"]]
    return lines
