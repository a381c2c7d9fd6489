"""A generator of an ONNX file, run by onnxruntime: arithmetic of a fixed set of operators, no code of the file's own."""

import importlib.util
import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from seesaw.errors import UserError
from seesaw.trained.exported import described, one_line, sha256_of
from seesaw.types import Fake

SUFFIX = ".onnx"


class OnnxGenerator(nn.Module):
    """(z, y) -> Fake with the finest images alone, on the CPU and without gradient.

    Args:
        session: an `onnxruntime.InferenceSession` of a file of `seesaw export`.
        classes: of the labels, where it takes some.
    """

    def __init__(self, session: Any, classes: int) -> None:
        super().__init__()
        self.session = session
        shapes = {one.name: one.shape for one in session.get_inputs()}
        self.z_dim, self.classes = int(shapes["z"][1]), classes if "y" in shapes else 0

    def forward(self, z: Tensor, y: Tensor | None = None) -> Fake:
        """Latents (B, z_dim) and labels (B,) to images (B, C, H, W)."""
        if torch.is_grad_enabled() and z.requires_grad:
            raise UserError("an ONNX file gives no gradients: load the run, or its export to safetensors")
        given = {"z": z.detach().cpu().float().numpy()} | ({} if y is None else {"y": y.cpu().numpy()})
        (images,) = self.session.run(["images"], given)
        return Fake([torch.from_numpy(images)])


def read_onnx(path: Path) -> tuple[OnnxGenerator, dict[str, Any]]:
    """The generator of a file, and its description.

    Raises:
        UserError: onnxruntime is missing; the file does not fit the checksum in the file of its configuration beside it, is
            damaged, or was not written by `seesaw export`.
    """
    if importlib.util.find_spec("onnxruntime") is None:
        raise UserError(f'{path}: to read it takes onnxruntime: pip install "seesaw-gan[export]"')
    check_sum(path)
    import onnxruntime

    try:
        session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
        text = session.get_modelmeta().custom_metadata_map["description"]
        description = described(text, path)
        data = description["config"]["data"]
        return OnnxGenerator(session, int(data.get("classes") or 0)), description
    except UserError:
        raise
    except Exception as error:  # of onnxruntime, or of a description that lacks something
        raise UserError(f"{path} is damaged, or was not written by seesaw export: {one_line(error)}") from error


def check_sum(path: Path) -> None:
    """Raise UserError where the file does not fit the checksum that `seesaw export` wrote beside it."""
    beside = path.with_name(f"{path.name}.json")
    if not path.is_file():
        raise UserError(f"{path}: there is no such file")
    try:
        expected = json.loads(beside.read_text(encoding="utf-8"))["seesaw"]["files"][path.name]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UserError(f"{beside} is missing or cannot be read; it holds the checksum of {path.name}") from error
    if sha256_of(path) != expected:
        raise UserError(f"{path} was altered or is damaged: it does not fit the checksum in {beside.name}")
