"""What a caller gives to `Trained`: all usual forms of the same are alike, and each mistake is one sentence."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_models import small_run

import seesaw


@pytest.mark.parametrize(
    "label", [3, "3", np.int64(3), np.uint8(3), torch.tensor(3), [3, 3], ["3", 3], np.array([3, 3]), np.array(["3", "3"]),
              torch.tensor([3, 3], dtype=torch.int32)],
    ids=repr,
)  # fmt: skip
def test_a_class_is_given_in_any_form(label: Any, labelled: seesaw.Trained) -> None:
    expected = labelled.sample(2, seed=1, label=3)
    assert not torch.equal(expected, labelled.sample(2, seed=1, label=4))
    assert torch.equal(labelled.sample(2, seed=1, label=label), expected)
    z = labelled.latents(2, seed=1)
    assert torch.equal(labelled.images(z, label), labelled.images(z, torch.tensor([3, 3])))


@pytest.mark.parametrize("kind", ["float64", "float32", "float16", "int64"])
def test_latents_are_arrays_or_tensors_of_any_kind(kind: str, plain: seesaw.Trained) -> None:
    z = plain.latents(3).round()
    expected = plain.images(z)
    assert torch.equal(plain.images(z.to(getattr(torch, kind))), expected)
    assert torch.equal(plain.images(z.numpy().astype(kind)), expected)  # type: ignore[arg-type]
    double = z.double().requires_grad_()
    plain.forward(double).sum().backward()
    assert double.grad is not None


def test_no_latents_give_no_images(labelled: seesaw.Trained, plain: seesaw.Trained) -> None:
    assert plain.images(torch.zeros(0, plain.z_dim)).shape == (0, 1, 16, 16)
    assert labelled.images(torch.zeros(0, labelled.z_dim), torch.zeros(0).long()).shape == (0, 1, 16, 16)


NAN = float("nan")
WRONG: dict[str, tuple[Callable[[seesaw.Trained, torch.Tensor], object], str]] = {
    "label 3.5": (lambda run, z: run.sample(2, label=3.5), "label=3.5: there is no such class"),  # type: ignore[arg-type]
    "label [1.0]": (lambda run, z: run.sample(2, label=np.array([1.0, 2.7])), "label=1.0: there is no such class"),
    "label floats": (lambda run, z: run.sample(2, label=torch.ones(2)), "label holds torch.float32; classes are whole"),
    "label a": (lambda run, z: run.sample(2, label=np.array(["a", "b"])), "label=a: there is no such class"),
    "labels of others": (lambda run, z: run.images(z, torch.tensor([1])), r"labels must be 2 integers from 0 to 9, not \[1\]"),
    "y out of range": (lambda run, z: run.images(z, [1, 10]), "y=10: there is no such class"),  # type: ignore[arg-type]
    "seed 1.0": (lambda run, z: run.sample(2, seed=1.0), "seed is 1.0; it must be a whole number"),  # type: ignore[arg-type]
    "psi nan": (lambda run, z: run.images(z, torch.zeros(2).long(), psi=NAN), "psi is nan; it must be from -2 to 2"),
    "psi of w": (lambda run, z: run.w(z, torch.zeros(2).long(), psi=NAN), "psi is nan; it must be from -2 to 2"),
    "psi text": (lambda run, z: run.sample(2, psi="0.5"), "psi is '0.5'; it must be"),  # type: ignore[arg-type]
    "a list": (lambda run, z: run.images([[0.0]]), "z is a list; give a tensor or an array"),  # type: ignore[arg-type]
    "a text": (lambda run, z: run.images(np.array(["a"])), "z is an array of <U1; give"),  # type: ignore[arg-type]
    "an empty grid": (lambda run, z: run.grid(0), "n is 0; it must be a whole number, at least 1"),
    "a run 3": (lambda run, z: seesaw.load(3), "run is 3; give the path of a run folder"),  # type: ignore[arg-type]
    "a run None": (lambda run, z: seesaw.load(None), "run is None; give the path"),  # type: ignore[arg-type]
    "which": (lambda run, z: seesaw.load(run.path, which=3), "which is 3; give best, last"),  # type: ignore[arg-type]
    "packages": (lambda run, z: seesaw.load(run.path, packages="mine"), "packages is 'mine'; give a list of texts"),
    "packages 3": (lambda run, z: seesaw.load(run.path, packages=3), "packages is 3; give a list"),  # type: ignore[arg-type]
    "n of evaluate": (lambda run, z: run.evaluate(n="x"), "n is 'x'; give a whole number"),  # type: ignore[arg-type]
    "n 64.5": (lambda run, z: run.evaluate(n=64.5), "n is 64.5; give a whole number"),  # type: ignore[arg-type]
    "overrides": (lambda run, z: run.evaluate(overrides="data.root=x"), "overrides is 'data.root=x'; give a list"),
    "an override": (lambda run, z: run.evaluate(overrides=["x"]), "x: an override is key=value"),
    "train 3": (lambda run, z: seesaw.train(3), "a list of texts such as .*, not 3"),  # type: ignore[arg-type]
    "train [3]": (lambda run, z: seesaw.train([3]), r"a list of texts such as .*, not \[3\]"),  # type: ignore[list-item]
    "device": (lambda run, z: seesaw.load(run.path, device="gpu"), "device=gpu: torch has no such device here"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_sentence(case: str, labelled: seesaw.Trained) -> None:
    call, words = WRONG[case]
    with pytest.raises(seesaw.UserError, match=words) as refusal:
        call(labelled, labelled.latents(2))
    assert "\n" not in str(refusal.value)


def test_an_export_is_sampled_like_its_run(tmp_path: Path) -> None:
    """Of points the real ones are drawn too, which the data of its configuration make; a folder is named as a run is."""
    from seesaw.cli.main import main

    path = small_run(tmp_path / "run", "mlp_points")
    assert main(["export", str(path), "--to", "hub", "--out", str(tmp_path / "hub")]) == 0
    assert "data:image/png" in seesaw.load(tmp_path / "hub")._repr_html_()
    for source, out in ((path, "a"), (tmp_path / "hub", "b")):
        assert main(["sample", str(source), "--count", "20", "--out", str(tmp_path / f"{out}.png")]) == 0
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_an_export_is_not_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from seesaw.cli.main import main

    path = small_run(tmp_path / "run", "mlp_points")
    assert main(["export", str(path), "--to", "safetensors", "--out", str(tmp_path / "g.safetensors")]) == 0
    capsys.readouterr()
    assert main(["evaluate", str(tmp_path / "g.safetensors")]) == 1
    err = capsys.readouterr().err
    assert "g.safetensors is an export, which holds a generator alone: give the run folder" in err
    assert err.count("\n") == 1
