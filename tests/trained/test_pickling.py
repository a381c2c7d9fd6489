"""A `Trained` that is pickled or copied, as for other processes."""

import copy
import pickle
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from small_models import small_run
from tiny_run import tiny_run

import seesaw
from seesaw.cli.main import main


def same(left: seesaw.Trained, right: seesaw.Trained) -> bool:
    label = 3 if left.classes else None
    return torch.equal(left.sample(6, seed=2, label=label), right.sample(6, seed=2, label=label))


@pytest.mark.parametrize("model", ["mlp", *(pytest.param(m, marks=pytest.mark.slow) for m in ("dcgan_small", "stylegan2_small",
    "progan_small", "msggan_small", "r3gan_small", "sngan", "biggan", "vae_small"))])  # fmt: skip
def test_what_was_pickled_gives_the_same_samples_and_logits(model: str, tmp_path: Path) -> None:
    small_run(tmp_path / "run", model, model != "vae_small")
    run = seesaw.load(tmp_path / "run")
    made = pickle.dumps(run)
    (tmp_path / "run").rename(tmp_path / "elsewhere")  # nothing is read again
    again = pickle.loads(made)
    assert same(run, again)
    assert repr(run) == repr(again)
    assert run.config == again.config
    assert (run.averaged, run.packages) == (again.averaged, again.packages)
    if run.discriminator is not None:
        z, y = run.latents(4), run.labels(4)
        images = run.generator(z, y).images
        assert torch.equal(torch.as_tensor(run.discriminator(images, y)[0]), torch.as_tensor(again.discriminator(images, y)[0]))
    assert same(run, pickle.loads(pickle.dumps(again)))


def test_a_copy_shares_no_weights(tmp_path: Path) -> None:
    run = seesaw.load(tiny_run(tmp_path / "run"))
    other = copy.deepcopy(run)
    assert same(run, other)
    with torch.no_grad():
        next(iter(other.generator.parameters())).add_(1)
    assert not same(run, other)


def test_raw_weights_stay_the_raw_ones(tmp_path: Path) -> None:
    path = small_run(tmp_path / "run", "dcgan_small")
    raw = seesaw.load(path, raw=True)
    assert same(raw, pickle.loads(pickle.dumps(raw)))
    assert pickle.loads(pickle.dumps(raw)).averaged is False


def test_an_export_is_pickled_but_for_onnx(tmp_path: Path) -> None:
    tiny_run(tmp_path / "run")
    for to in ("safetensors", "onnx"):
        if to == "onnx":
            pytest.importorskip("onnxruntime")
            pytest.importorskip("onnxscript")
        out = tmp_path / f"g.{to}"
        assert main(["export", str(tmp_path / "run"), "--to", to, "--out", str(out)]) == 0
        run = seesaw.load(out)
        if to == "safetensors":
            again = pickle.loads(pickle.dumps(run))
            assert same(run, again)
            assert again.discriminator is None
        else:
            with pytest.raises(seesaw.UserError, match=r"g\.onnx: what was loaded from an ONNX file cannot be pickled"):
                pickle.dumps(run)


@pytest.mark.slow
def test_another_process_samples_what_it_was_given(tmp_path: Path) -> None:
    run = seesaw.load(tiny_run(tmp_path / "run"))
    (tmp_path / "run.pickle").write_bytes(pickle.dumps(run))
    code = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).sample(3, seed=1).sum().item())"
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "run.pickle"], capture_output=True, text=True, check=True)
    assert done.stdout == f"{run.sample(3, seed=1).sum().item()}\n"
