"""`seesaw export`: one generator as a file or a folder that other programs read."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from seesaw.errors import UserError
from seesaw.export.card import card
from seesaw.export.describe import described, known_of, weights
from seesaw.export.program import write_onnx, write_pt2
from seesaw.trained import exported
from seesaw.trained.picture import png
from seesaw.trained.trained import Trained
from seesaw.util import atomic_write, whole_folder

HINT = "choose another place by --out"


def export(run: Trained, to: str, out: Path, license: str) -> list[str]:
    """Write the generator of a run.

    Args:
        run: on the CPU.
        to: safetensors, onnx, pt2 or hub.
        out: the file, or of hub the folder. Beside a file lie OUT.json and OUT.md: its configuration and its card.
        license: an identifier for the card.

    Returns:
        The lines to print.

    Raises:
        UserError: the generator cannot be traced, a package is missing, the check failed, or a place cannot be written.
    """
    if to == "hub":
        return write_folder(run, out, license)
    description = described(run)
    checked = WRITERS[to](run, out, description)
    files = {out.name: exported.sha256_of(out)}
    text = json.dumps(facts(run, description, files), indent=2, ensure_ascii=False)
    atomic_write(out.with_name(f"{out.name}.json"), text + "\n", HINT)
    made = [f"`{out.name}`: {checked}.", f"`{out.name}.json`: the configuration, and the SHA-256 of the file."]
    page = card(run, known_of(run), license, made, USES[to](run, out.name))
    atomic_write(out.with_name(f"{out.name}.md"), page, HINT)
    return [f"{out}: {checked}", f"{out}.json: the configuration", f"{out}.md: the model card"]


def write_safetensors(run: Trained, path: Path, description: dict[str, Any]) -> str:
    """Write the weights, and read them back; returns what was checked."""
    found = weights(run)
    exported.write_weights(path, found, description)
    exported.read_weights(path)
    return f"{len(found)} tensors, read back by their checksum"


def text_of(description: dict[str, Any]) -> str:
    """The description as a text inside the file of a program."""
    return yaml.safe_dump(description, sort_keys=False, allow_unicode=True)


WRITERS: dict[str, Callable[[Trained, Path, dict[str, Any]], str]] = {
    "safetensors": write_safetensors,
    "onnx": lambda run, path, description: write_onnx(run, path, text_of(description)),
    "pt2": lambda run, path, description: write_pt2(run, path, text_of(description)),
}


def write_folder(run: Trained, folder: Path, license: str) -> list[str]:
    """Write a folder in Hugging Face's layout: README.md, model.safetensors, config.json, samples.png."""
    if folder.exists() and not (folder.is_dir() and (exported.is_folder(folder) or not any(folder.iterdir()))):
        raise UserError(f"{folder} holds something else; {HINT}")
    description = described(run)
    with whole_folder(folder, HINT) as new:
        checked = write_safetensors(run, new / exported.WEIGHTS, description)
        atomic_write(new / "samples.png", png(run.grid()), HINT)
        files = {name: exported.sha256_of(new / name) for name in (exported.WEIGHTS, "samples.png")}
        text = json.dumps(facts(run, description, files), indent=2, ensure_ascii=False)
        atomic_write(new / exported.CONFIG, text + "\n", HINT)
        made = [f"`{exported.WEIGHTS}`: {checked}.", "`config.json`: the configuration, and the SHA-256 of the files."]
        page = card(run, known_of(run), license, made, f"![samples](samples.png)\n\n{USES['hub'](run, folder.name)}")
        atomic_write(new / "README.md", page, HINT)
    return [f"{folder}: README.md, {exported.WEIGHTS} ({checked}), {exported.CONFIG}, samples.png"]


def facts(run: Trained, description: dict[str, Any], files: dict[str, str]) -> dict[str, Any]:
    """What config.json holds."""
    height, width = run.resolution
    own = {
        "files": files,
        "z_dim": run.z_dim,
        "classes": run.classes,
        "class_names": run.class_names,
        "height": height,
        "width": width,
        "channels": run.channels,
        "depth": run.depth,
    }
    return {"library_name": "seesaw", "seesaw": own | description}


def python(*lines: str) -> str:
    """A block of code."""
    return "\n".join(["```python", *lines, "```"])


def use_seesaw(run: Trained, name: str) -> str:
    """How seesaw reads the weights."""
    label = ", label=0" if run.classes else ""
    return python("import seesaw", "", f'run = seesaw.load("{name}")', f"images = run.sample(16, seed=1{label})")


def use_onnx(run: Trained, name: str) -> str:
    """How onnxruntime runs the program."""
    more = ', "y": np.zeros(16, np.int64)' if run.classes else ""
    return python(
        "import numpy as np",
        "import onnxruntime",
        "",
        f'session = onnxruntime.InferenceSession("{name}")',
        f'z = np.random.default_rng(0).standard_normal((16, {run.z_dim}), dtype="float32")',
        f'(images,) = session.run(None, {{"z": z{more}}})  # float32 (16, {", ".join(shape_of(run))})',
    )


def use_pt2(run: Trained, name: str) -> str:
    """How torch runs the program."""
    more = ", torch.zeros(16, dtype=torch.int64)" if run.classes else ""
    return python(
        "import torch",
        "",
        f'generator = torch.export.load("{name}").module()  # only a file that you trust',
        f"images = generator(torch.randn(16, {run.z_dim}){more})",
    )


def shape_of(run: Trained) -> list[str]:
    """C, H, W as texts."""
    return [str(side) for side in (run.channels, *run.resolution)]


USES: dict[str, Callable[[Trained, str], str]] = {
    "safetensors": use_seesaw,
    "hub": use_seesaw,
    "onnx": use_onnx,
    "pt2": use_pt2,
}
