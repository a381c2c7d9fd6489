"""`seesaw sample` and `seesaw evaluate`, on whole checkpoints."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_run import TINY, change, tiny_run, write_run

from seesaw.cli.main import main as seesaw
from seesaw.errors import Notice, UserError
from seesaw.trained.label import class_number
from seesaw.training.build import build, construct
from seesaw.training.checkpoint_file import load
from seesaw.training.inference import fid_node, metrics_node, record, record_of, restore, set_values
from seesaw.training.preflight import compose_checked

FID: dict[str, Any] = {"_target_": "seesaw.training.callbacks.evaluate.Evaluate", "primary": "fid", "evaluate_kimg": 1.0, "n": 8,
    "extractor": {"_target_": "seesaw.metrics.extractors.inception.InceptionExtractor", "weights": "/moved/away.pth"},
    "measures": {"fid": {"_target_": "seesaw.metrics.frechet.Frechet"}}}  # fmt: skip
OWN = """
import torch
from torch import nn
from seesaw.types import Fake

class Generator(nn.Module):
    '''Images whose every pixel is the class: 20 y.'''
    z_dim = 2
    def __init__(self, classes):
        super().__init__()
        self.classes, self.one = classes, nn.Parameter(torch.ones(()))
    def forward(self, z, y=None):
        return Fake([(self.one * y * 20 / 127.5 - 1).view(-1, 1, 1, 1).expand(-1, 1, 8, 8)])
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder as the current one, with the default cache below it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SEESAW_CACHE", raising=False)
    return tmp_path


@pytest.fixture
def labelled(here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run whose generator takes labels; its class is one of the package `own_nets`."""
    (here / "own_nets.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(here))
    sys.modules.pop("own_nets", None)
    config = compose_checked([*TINY, "data.labels=true", "packages=[own_nets]"])
    config["model"]["G"] = {"_target_": "own_nets.Generator", "classes": config["data"]["classes"]}
    config["data"]["class_names"] = [*"0123456", "seven", "8", "9"]
    write_run(here / "run", config)
    return here / "run"


def err_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line with which the command ended in exit code 1."""
    assert seesaw(arguments) == 1
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1, err
    return err


def test_a_restored_model_samples_as_the_saved_one(here: Path) -> None:
    config = compose_checked([*TINY, "seed=3"])
    saved, _ = build(config)
    path = write_run(here / "run", config)
    torch.rand(7)  # the restored weights are those of the file, not those of a fresh model
    run = restore(path)
    assert run.images_shown == 64
    for ema in (True, False):
        expected = torch.cat(list(saved.eval().sample(5, seed=1, ema=ema)))
        assert torch.equal(torch.cat([x.cpu() for x in run.model.sample(5, seed=1, ema=ema)]), expected)


def test_a_class_is_sampled_by_number_and_by_name(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for chosen, level in (("3", 60), ("seven", 140), ("9", 180)):
        command = [
            "sample",
            str(labelled),
            "--package",
            "own_nets",
            "--class",
            chosen,
            "--count",
            "1",
            "--out",
            "g.png",
        ]
        assert seesaw(command) == 0
        assert f"1 samples of class {chosen} of the averaged generator" in capsys.readouterr().out
        with Image.open("g.png") as image:
            pixels = np.asarray(image)
        assert set(np.unique(pixels)) == {96, level}  # the sheet's border, and the image
    assert seesaw(["sample", str(labelled), "--package", "own_nets", "--out", "all.png"]) == 0
    with Image.open("all.png") as image:
        assert set(np.unique(np.asarray(image))) == {96, *range(0, 181, 20)}  # without a class: all of them


def test_a_class_that_is_not_there_is_refused(labelled: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["sample", str(labelled), "--package", "own_nets", "--class"]
    for wrong in ("10", "-1", "seve", "1.5"):
        assert f"--class {wrong}: there is no such class; give a number from 0 to 9" in err_of(
            [*command, wrong], capsys
        )
    assert "did you mean 'seven'?" in err_of([*command, "seve"], capsys)
    assert "not among the classes that conf/model names" in err_of(
        ["sample", str(labelled)], capsys
    )  # without --package


def test_a_model_without_labels_takes_no_class(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(here / "run")
    assert "--class 3: this model takes no labels" in err_of(["sample", "run", "--class", "3"], capsys)


def test_truncation_draws_the_samples_of_a_stylegan2_to_one_image_and_is_refused_to_others(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    narrow = ["max_width=4", "base=64"]
    options = ["data=digits", "data.resolution=8", "logger=none", "metrics=none", "trainer=cpu", "batch_size=4"]
    options += ["model=stylegan2_small", "model.G.w_dim=4", *(f"model.{net}.{size}" for net in "GD" for size in narrow)]
    path = write_run(here / "run", compose_checked(options))

    def samples(psi: float | None) -> torch.Tensor:
        run = restore(path)
        if psi is not None:
            run.model.truncate(psi)
        return torch.cat(list(run.model.sample(3, seed=0))).float()

    whole, mean = samples(None), samples(0.0)
    assert torch.equal(samples(1.0), whole)
    assert torch.equal(mean, mean[:1].expand(3, -1, -1, -1))
    assert 0 < (samples(0.3) - mean).abs().sum() < (whole - mean).abs().sum()
    assert seesaw(["sample", "run", "--psi", "0.7", "--count", "4"]) == 0
    assert "4 samples truncated by psi 0.7 of the averaged generator" in capsys.readouterr().out
    tiny_run(here / "other")
    assert "psi is 0.5: this model has no intermediate latents w" in err_of(["sample", "other", "--psi", "0.5"], capsys)


def test_a_name_counts_before_a_number() -> None:
    assert class_number("2", 3, ["1", "2", "3"]) == 1
    assert class_number("0", 3, ["1", "2", "3"]) == 0
    assert class_number(None, 0, []) is None
    assert class_number("2", 3, []) == 2


def test_evaluate_writes_into_the_named_folder_and_the_callers_cache(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Paths in the file are not written to, wherever they stand in it."""
    path = tiny_run(here / "run")
    hostile = {f"config__{group}__cache_dir": str(here / "theirs") for group in ("model", "data", "metrics")}
    change(path, **hostile, config__cache_dir=str(here / "theirs"), config__run_dir=str(here / "theirs"))
    change(path, config__metrics__extractor__cache_dir=str(here / "theirs"))
    monkeypatch.setenv("SEESAW_CACHE", str(here / "mine"))
    assert seesaw(["evaluate", "run"]) == 0
    assert "frechet_digits" in capsys.readouterr().out
    assert {p.name for p in here.iterdir()} == {"run", "mine"}
    assert seesaw(["evaluate", "run", "cache_dir=other"]) == 0
    assert {p.name for p in here.iterdir()} == {"run", "mine", "other"}
    assert len((here / "run/evaluations.jsonl").read_text().splitlines()) == 2


def test_evaluate_measures_as_the_run_did_but_for_what_is_set(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(here / "run")
    for more, count in (([], 64), (["metrics.n=40"], 40), (["--n", "48", "metrics.n=40"], 48)):
        assert seesaw(["evaluate", "run", *more]) == 0
        assert f"; {count} ema samples" in capsys.readouterr().out
    rows = [json.loads(line) for line in (here / "run/evaluations.jsonl").read_text().splitlines()]
    assert [row["protocol"]["fake_count"] for row in rows] == [64, 40, 48]


@pytest.mark.parametrize("n", ["1", "0", "-3"])
def test_too_few_samples_are_refused_by_the_name_of_the_option(
    n: str, here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny_run(here / "run")
    error = err_of(["evaluate", "run", "--n", n], capsys)
    assert f"--n {n}: metrics need at least 2 images" in error
    assert error.count("\n") == 1


def test_a_set_that_moved_is_given_by_its_key(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "faces").mkdir()
    for k in range(12):
        Image.new("L", (8, 8), 20 * k).save(here / f"faces/{k}.png")
    tiny_run(here / "run", "data=folder", "data.root=faces", "metrics=digits", "metrics.n=16")
    (here / "faces").rename(here / "moved")
    assert "data.root" in err_of(["evaluate", "run"], capsys)
    assert seesaw(["evaluate", "run", "data.root=moved", "cache_dir=mine"]) == 0
    assert "against 12 reals of folder moved" in capsys.readouterr().out
    assert (here / "mine/prepared").is_dir()
    assert sorted(p.name for p in (here / "moved").iterdir()) == sorted(f"{k}.png" for k in range(12))


def test_a_checkpoint_taken_elsewhere_is_recorded_beside_itself(here: Path) -> None:
    path = tiny_run(here / "run")
    assert record_of(here / "run") == record_of(path) == here / "run/evaluations.jsonl"
    assert record_of(Path("run/checkpoints/last.ckpt")) == Path("run/evaluations.jsonl")
    (here / "moved/checkpoints").mkdir(parents=True)
    for place in ("moved/last.ckpt", "moved/checkpoints/last.ckpt"):  # no config.yaml: not a run folder
        path = path.replace(here / place)
        assert record_of(path) == path.parent / "evaluations.jsonl"


def test_a_torn_record_swallows_no_other(tmp_path: Path) -> None:
    path = tmp_path / "evaluations.jsonl"
    record(path, {"fid": 1.0})
    with open(path, "a") as file:
        file.write('{"fid": 2.')
    record(path, {"fid": float("nan")})
    assert path.read_text().splitlines() == ['{"fid": 1.0}', '{"fid": 2.', '{"fid": null}']


def test_nothing_is_recorded_through_a_link(tmp_path: Path) -> None:
    """A stranger's folder would let it add to a file elsewhere."""
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    (tmp_path / "evaluations.jsonl").symlink_to("mine.txt")
    with pytest.warns(Notice, match="it is a link, or its links go in a circle"):
        record(tmp_path / "evaluations.jsonl", {"fid": 1.0})
    assert (tmp_path / "mine.txt").read_text(encoding="utf-8") == "mine"


def test_values_are_printed_where_they_cannot_be_recorded(tmp_path: Path) -> None:
    with pytest.warns(
        Notice, match=r"evaluations.jsonl cannot be written \(No such file or directory\): the values are only printed"
    ):
        record(tmp_path / "gone" / "evaluations.jsonl", {"fid": 1.0})


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.rot=x", "data.rot: there is no 'rot' in the data of the run; did you mean 'root'? (known: root, flip)"),
        ("metrics.extractor.sizes=3", "there is no 'sizes' in the metrics.extractor of the run; did you mean 'size'?"),
        ("metrics.n.m=3", "metrics.n.m: there is no 'm' in the metrics.n of the run"),
        ("model.G.width=3", "model.G.width=3: the model is used as it was trained; what can be set is cache_dir=…"),
        ("data.resolution=64", "the model is used as it was trained"),
        ("data._target_=os.system", "the model is used as it was trained"),
        ("data=celeba", "the model is used as it was trained"),
        ("seed=3", "the model is used as it was trained"),
        ("+data.x=3", "+data.x=3: give one value for a key that is there"),
        ("~data.root", "give one value for a key that is there"),
        ("data.root=a,b", "give one value for a key that is there"),
    ],
)
def test_what_cannot_be_set_is_refused(override: str, words: str) -> None:
    config = {"data": {"_target_": "x", "root": "a", "flip": False}, "metrics": {"n": 3, "extractor": {"size": 1}}}
    with pytest.raises(UserError) as refusal:
        set_values(config, [override])
    assert words in str(refusal.value)


def test_values_are_set_as_on_the_command_line_of_train(monkeypatch: pytest.MonkeyPatch) -> None:
    config: dict[str, Any] = {
        "data": {"root": "a", "center": None, "flip": True},
        "metrics": {"n": 3},
        "cache_dir": "c",
    }
    monkeypatch.setenv("HOME", "/home/me")
    set_values(
        config,
        ["data.root='/a b/${c}'", "data.center=[89,121]", "data.flip=false", "metrics.n=null", "cache_dir='~/x'"],
    )
    assert config == {
        "data": {"root": "/a b/${c}", "center": [89, 121], "flip": False},
        "metrics": {"n": None},
        "cache_dir": "/home/me/x",
    }


def test_a_wrong_value_is_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny_run(here / "run")
    assert "metrics.n: 'many' is not allowed; give an integer" in err_of(["evaluate", "run", "metrics.n=many"], capsys)
    assert "an override is key=value" in err_of(["evaluate", "run", "metrics.n=[1"], capsys)
    assert "packages: torch is an installed library" in err_of(["evaluate", "run", "--package", "torch"], capsys)


def test_files_that_cannot_be_restored_are_one_sentence(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_run(here / "run")
    config = load(path)["config"]
    for keys, words in (
        ({"config": {k: v for k, v in config.items() if k != "data"}}, "its configuration has no data"),
        ({"config": config | {"model": 3}}, "its configuration has no model"),
        ({"config": config, "config__model__G__widths": [9]}, "the weights do not fit the model of its configuration"),
        (
            {"config__model__G__widths": [8], "config__model__G__wide": 3},
            "model.G.wide: seesaw.nets.mlp.Generator has no such",
        ),
        ({"config": {}}, "its configuration has no model"),
    ):
        change(path, **keys)
        assert words in err_of(["sample", "run"], capsys)


@pytest.mark.parametrize("own", [FID, fid_node(8, "/moved/away.pth")])
def test_missing_weights_are_answered_with_an_option_that_evaluate_takes(own: dict[str, Any]) -> None:
    callback = construct({"evaluate_kimg": 1.0} | metrics_node(own, None), "metrics")
    with pytest.raises(UserError) as refusal:
        callback.evaluator.extractor.prepare(torch.device("cpu"))
    assert "there is no file /moved/away.pth" in str(refusal.value)
    assert str(refusal.value).endswith("give its path by --fid FILE")


def test_fid_is_that_of_its_file_in_conf() -> None:
    node = fid_node(None, "auto")
    assert node["primary"] == "fid"
    assert node["extractor"] == {"_target_": "seesaw.metrics.extractors.inception.InceptionExtractor", "weights": None}
    assert fid_node(8, "w.pth") == node | {"n": 8, "extractor": node["extractor"] | {"weights": "w.pth"}}


def test_a_run_is_measured_as_it_was() -> None:
    digits = FID | {"extractor": {"_target_": "seesaw.metrics.extractors.base.ClassifierExtractor", "name": "digits"}}
    assert metrics_node(digits, None) == digits
    assert metrics_node(digits, 3)["n"] == 3
    with pytest.raises(UserError, match="give --fid FILE"):
        metrics_node({"_target_": "seesaw.training.callbacks.evaluate.NoMetrics"}, None)


def test_checkpoints_of_other_versions_are_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tiny_run(here / "run")
    change(path, format=3)
    assert "last.ckpt was written by a newer version (format 3; this one reads 2): update seesaw" in err_of(
        ["sample", "run"], capsys
    )
    content = torch.load(path, weights_only=True)
    del content["format"]
    torch.save(content, path)
    assert "last.ckpt was written by an earlier version (format 1); commit fe0cea8 reads it" in err_of(
        ["evaluate", "run"], capsys
    )
