"""`seesaw export`: the exported generators give the images of their run, here and in programs without seesaw."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
import yaml
from PIL import Image
from small_models import MODELS, small_run

import seesaw
from seesaw.cli.main import main
from seesaw.export.program import inputs
from seesaw.nets.layers import resample
from seesaw.trained.exported import read_weights


def cases(*quick: tuple[str, bool]) -> list[Any]:
    """Every model of conf/model, with labels and without; those in `quick` in every run of the tests."""
    return [
        pytest.param(model, labels, marks=() if (model, labels) in quick else pytest.mark.slow)
        for model in MODELS
        for labels in (False, True)
    ]


LEVEL = 2 / 255
"""One level of 8 bits, of images in [-1, 1]."""


def call(*arguments: str | Path) -> None:
    assert main(["export", *map(str, arguments)]) == 0


@pytest.mark.parametrize(
    ("model", "labels"), cases(("dcgan_small", True), ("stylegan2_small", False), ("progan_small", False))
)
def test_weights_are_loaded_with_equal_images(model: str, labels: bool, tmp_path: Path) -> None:
    run = seesaw.load(path := small_run(tmp_path / "run", model, labels), "last")
    call(path, "--to", "safetensors", "--out", tmp_path / "g.safetensors")
    call(path, "--to", "hub", "--out", tmp_path / "hub")
    expected = run.sample(8, seed=4)
    for place in ("g.safetensors", "hub"):
        again = seesaw.load(tmp_path / place)
        assert torch.equal(again.sample(8, seed=4), expected), place
        facts = ("z_dim", "classes", "class_names", "resolution", "channels", "depth", "images_shown")
        assert [getattr(again, name) for name in facts] == [getattr(run, name) for name in facts]
    assert again.discriminator is None
    with Image.open(tmp_path / "hub" / "samples.png") as image:
        assert np.array_equal(np.asarray(image), np.asarray(run.grid()))


@pytest.mark.parametrize(("model", "labels"), cases(("dcgan_small", True)))
def test_programs_give_the_images_of_the_run_in_batches_of_any_size(model: str, labels: bool, tmp_path: Path) -> None:
    run = seesaw.load(path := small_run(tmp_path / "run", model, labels), device="cpu")
    call(path, "--to", "onnx", "--out", tmp_path / "g.onnx")
    call(path, "--to", "pt2", "--out", tmp_path / "g.pt2")
    session = onnxruntime.InferenceSession(tmp_path / "g.onnx")
    program = torch.export.load(tmp_path / "g.pt2").module()
    again = seesaw.load(tmp_path / "g.onnx")
    assert (again.z_dim, again.classes, again.points) == (run.z_dim, run.classes, run.points)
    assert (again.sample(4, seed=2).float() - run.sample(4, seed=2).float()).abs().max() <= 1  # of 255
    for n in (1, 7):
        given = inputs(run, n, seed=n)
        expected = run.images(given["z"], given.get("y"))
        (found,) = session.run(["images"], {name: value.numpy() for name, value in given.items()})
        assert np.abs(found - expected.numpy()).max() < LEVEL / 2
        assert (program(*given.values()) - expected).abs().max() < LEVEL / 2
    if labels:
        assert (
            np.abs(found - session.run(None, {"z": given["z"].numpy(), "y": (given["y"].numpy() + 1) % 10})[0]).max()
            > LEVEL
        )


@pytest.mark.parametrize("kind", ["pt2", pytest.param("onnx", marks=pytest.mark.slow)])
def test_a_program_is_the_first_that_a_process_makes_of_a_style_based_generator(kind: str, tmp_path: Path) -> None:
    """What the network keeps for later calls must not come from tracing, which makes tensors without numbers."""
    path = small_run(tmp_path / "run", "stylegan2_small")
    resample._kernel.cache_clear()
    call(path, "--to", kind, "--out", tmp_path / f"g.{kind}")
    assert type(resample._kernel(1, 1.0, torch.device("cpu"), torch.float32)) is torch.Tensor


def test_a_program_of_torch_is_not_read_back_but_named(tmp_path: Path) -> None:
    (tmp_path / "g.pt2").write_bytes(b"")
    with pytest.raises(seesaw.UserError, match=r"is a program, which torch\.export\.load runs"):
        seesaw.load(tmp_path / "g.pt2")


WITHOUT = """
import sys
class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("seesaw", "hydra", "pytorch_lightning"):
            raise ImportError(name)
sys.meta_path.insert(0, Blocked())
try:
    import seesaw
except ImportError:
    pass
else:
    raise SystemExit("seesaw can be imported")
"""


def docs_program(name: str) -> str:
    """The block of docs/export.md that begins with `# NAME`."""
    text = (Path(__file__).parents[2] / "docs" / "export.md").read_text(encoding="utf-8")
    (found,) = [block for block in text.split("```python\n")[1:] if block.startswith(f"# {name}\n")]
    return found.partition("```")[0]


FORKS = """
import json, os, torch
for folder, program in json.load(sys.stdin):
    child = os.fork()  # for each program from the import of torch on, which takes seconds
    if child == 0:
        os.chdir(folder)
        exec(program, {"__name__": "__main__"})
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0, folder
"""
PROGRAMS = [("safetensors", 28), ("safetensors", 32), ("onnx", 28), ("pt2", 28)]
"""For safetensors the network is written by hand in docs/export.md, of three layers for 28 pixels and four for 32, the default
run's."""


@pytest.fixture(scope="module")
def without_seesaw(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]:
    """What the programs of docs/export.md write, and the images of the run, of the same latents."""
    folders = {}
    for kind, size in PROGRAMS:
        folder = folders[kind, size] = tmp_path_factory.mktemp(f"{kind}-{size}")
        sizes = (f"data.resolution={size}", "model.G.width=8", "model.G.z_dim=6")
        path = small_run(folder / "run", "dcgan_small", False, *sizes)
        run = seesaw.load(path)
        call(path, "--to", kind, "--out", folder / f"generator.{kind}")
        z = run.latents(16, seed=7)
        np.save(folder / "z.npy", z.numpy())
        np.save(folder / "expected.npy", run.images(z).numpy())
    of_torch = [(str(folder), docs_program(kind)) for (kind, _), folder in folders.items() if kind != "onnx"]
    for program, given in ((FORKS, json.dumps(of_torch)), (docs_program("onnx"), "")):
        done = subprocess.run(
            [sys.executable, "-c", WITHOUT + program],
            cwd=folders["onnx", 28], input=given, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
    return {key: (np.load(folder / "images.npy"), np.load(folder / "expected.npy")) for key, folder in folders.items()}


@pytest.mark.parametrize(("kind", "size"), PROGRAMS)
def test_a_program_without_seesaw_gives_the_same_images(
    kind: str, size: int, without_seesaw: dict[tuple[str, int], tuple[np.ndarray, np.ndarray]]
) -> None:
    images, expected = without_seesaw[kind, size]
    assert images.shape == (16, 1, size, size)
    assert images.std() > 0.05
    assert np.abs(images - expected).max() < LEVEL


def test_the_card_has_what_the_run_folder_knows(tmp_path: Path) -> None:
    path = small_run(tmp_path / "run", "dcgan_small", True)
    rows = [
        "kimg,images,train/loss/D,eval/fid,monitor/verdict",
        "0.032,32,1.5,20.5,1",
        "0.064,64,1.4,,",
        "0.096,96,1,9.5,3",
    ]
    (tmp_path / "run" / "metrics.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (tmp_path / "run" / "status.json").write_text(json.dumps({"protocol": "fid of 64 samples"}), encoding="utf-8")
    found = {"kimg": 0.064, "state": "nothing found", "sentences": ["it repeats no image"]}
    (tmp_path / "run" / "certificate.json").write_text(json.dumps(found), encoding="utf-8")
    call(path, "--to", "hub", "--out", tmp_path / "hub", "--license", "cc-by-4.0")
    text = (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    _, front, body = text.split("---\n", 2)
    node = yaml.safe_load(front)
    assert (node["license"], node["library_name"]) == ("cc-by-4.0", "seesaw")
    assert {"gan", "dcgan"} <= set(node["tags"])
    for words in ("# dcgan on Digits, 16x16x1, at 0.064 kimg", "10 classes", "Measured at 0.032 kimg", "`fid` 20.5",
                  "Protocol: fid of 64 samples", "healthy", "Certificate: nothing found.", "it repeats no image.",
                  "`cc-by-4.0`, as whoever exported it stated", "## Intended use", 'seesaw.load("hub")'):  # fmt: skip
        assert words in body, words
    assert "9.5" not in body  # of later weights
    listed = json.loads((tmp_path / "hub" / "config.json").read_text(encoding="utf-8"))
    assert listed["seesaw"]["z_dim"] == 8
    assert listed["seesaw"]["config"]["model"]["G"]["width"] == 4


def test_no_folder_of_this_machine_is_published(tmp_path: Path) -> None:
    (tmp_path / "secret" / "faces").mkdir(parents=True)
    for k in range(3):
        Image.new("L", (16, 16), 20 * k).save(tmp_path / f"secret/faces/{k}.png")
    more = ["data=folder", f"data.root={tmp_path}/secret/faces", "data.resolution=16", f"cache_dir={tmp_path}/secret"]
    path = small_run(tmp_path / "run", "dcgan_small", False, *more)
    call(path, "--to", "hub", "--out", tmp_path / "hub")
    for file in (tmp_path / "hub").iterdir():
        assert b"secret" not in file.read_bytes(), file
    assert "of a folder called faces" in (tmp_path / "hub" / "README.md").read_text(encoding="utf-8")
    _, description = read_weights(tmp_path / "hub" / "model.safetensors")
    assert description["config"]["data"]["root"] == "faces"
    assert "logger" not in description["config"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--to", "onnx", "--out", "x.pt2"], "--out x.pt2: the name must end in .onnx"),
        (["--to", "hub", "--out", "full"], "full holds something else; choose another place by --out"),
        (["--to", "pt2", "--push", "me/it"], "--push uploads a folder: give --to hub"),
        (["--to", "hub", "--push", "it"], "--push it: give OWNER/NAME"),
        (["--to", "hub", "--license", "my own!"], "--license my own!: give an identifier such as mit"),
        (["--to", "hub", "--which", "3"], "run holds no 3.ckpt; there is last.ckpt"),
    ],
)
def test_mistakes_are_one_sentence(
    arguments: list[str],
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    small_run(tmp_path / "run", "mlp")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("mine", encoding="utf-8")
    which = [] if "--which" in arguments else ["--which", "last"]
    assert main(["export", "run", *which, *arguments]) == 1
    err = capsys.readouterr().err
    assert words in err
    assert len(err.splitlines()) == 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["full", "run"]
