"""A generator as a program of its own, PyTorch's (.pt2) or ONNX: its graph and its weights, for programs without seesaw."""

import contextlib
import importlib.util
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.trained.trained import Trained
from seesaw.util import atomic_write

TOLERANCE = 2 / 255
"""Largest difference of a pixel between the program and the generator, of images in [-1, 1]: one level of 8 bits."""

NEEDED = 'pip install "seesaw-gan[export]"'


class Images(nn.Module):
    """What is exported: (z, y) -> the finest images, clipped to [-1, 1] as they are stored; points as they are."""

    def __init__(self, generator: nn.Module, points: bool) -> None:
        super().__init__()
        self.generator, self.points = generator, points

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """Latents (B, z_dim) and labels (B,) to (B, C, H, W)."""
        images: Tensor = self.generator(z, y).images[-1]
        return images if self.points else images.clamp(-1, 1)


def inputs(run: Trained, n: int, seed: int) -> dict[str, Tensor]:
    """Latents z (n, z_dim), and labels y (n,) where the model takes them: the inputs of the program by their names."""
    y = run.labels(n, seed)
    return {"z": run.latents(n, seed)} | ({} if y is None else {"y": y})


def traced(run: Trained) -> torch.export.ExportedProgram:
    """The program, of any size of batch. UserError where torch cannot trace the generator, as an own one may be."""
    given, batch = inputs(run, 2, seed=0), torch.export.Dim("batch", min=1)
    run.images(given["z"], given.get("y"))  # what a network keeps for later calls would, if made while tracing, hold no numbers
    try:
        with quiet():
            return torch.export.export(
                Images(run.generator, run.points).eval(),
                tuple(given.values()),
                dynamic_shapes={name: {0: batch} for name in given},
                strict=False,
            )
    except Exception as error:  # whatever tracing finds in a network
        words = (str(error).strip().splitlines() or [""])[0]
        raise UserError(f"torch.export cannot trace this generator: {type(error).__name__}: {words[:200]}") from error


def write_pt2(run: Trained, path: Path, description: str) -> str:
    """Write the program as PyTorch's archive, and check it; returns what was checked."""
    program = traced(run)
    file = io.BytesIO()
    given = inputs(run, 5, seed=1)
    with quiet():
        torch.export.save(program, file, extra_files={"seesaw.yaml": description})
        again = torch.export.load(io.BytesIO(file.getvalue())).module()
    difference = compare(run, again(*given.values()), given)
    atomic_write(path, file.getvalue(), "choose another place by --out")
    return f"checked by torch.export.load with 5 images: largest difference {difference:.1e}"


def write_onnx(run: Trained, path: Path, description: str) -> str:
    """Write the program as ONNX with its weights inside, and check it in onnxruntime where that is installed; returns what was
    checked."""
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(f"--to onnx needs {' and '.join(missing)}: {NEEDED}")
    names = list(inputs(run, 1, seed=0))
    with quiet():
        made = torch.onnx.export(
            traced(run), (), input_names=names, output_names=["images"], dynamo=True, verbose=False, external_data=False
        )
    assert made is not None
    proto = made.model_proto
    for key, value in (("seesaw", "1"), ("description", description)):
        entry = proto.metadata_props.add()
        entry.key, entry.value = key, value
    content = proto.SerializeToString()
    checked = check_onnx(run, content)
    atomic_write(path, content, "choose another place by --out")
    return checked


def check_onnx(run: Trained, content: bytes) -> str:
    """Compare the program in onnxruntime with the generator, on another size of batch than it was traced with."""
    if importlib.util.find_spec("onnxruntime") is None:
        return f"not checked, since onnxruntime is not installed: {NEEDED}"
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    given = inputs(run, 5, seed=1)
    (images,) = session.run(None, {name: value.numpy() for name, value in given.items()})
    difference = compare(run, torch.from_numpy(images), given)
    return f"checked in onnxruntime {onnxruntime.__version__} with 5 images: largest difference {difference:.1e}"


def compare(run: Trained, images: Tensor, given: dict[str, Tensor]) -> float:
    """The largest difference of a program's images to the generator's. UserError where it is more than a level of 8 bits."""
    expected = run.images(given["z"], given.get("y"))
    difference = (images.detach() - expected).abs().max().item() if images.shape == expected.shape else float("inf")
    if not difference <= TOLERANCE:
        raise UserError(
            f"the program's images differ from the generator's by up to {difference:.3g}, so it is not written"
        )
    return difference


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without what torch's exporters print of their own work."""
    loggers: list[Any] = [logging.getLogger(name) for name in ("torch.onnx", "torch.export", "onnxscript", "onnx_ir")]
    before = [logger.level for logger in loggers]
    with (
        warnings.catch_warnings(),
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, before, strict=True):
                logger.setLevel(level)
