"""Where a run lives, and what resuming allows."""

import json
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from omegaconf import DictConfig, OmegaConf

from seesaw.errors import UserError
from seesaw.training.checkpoint_file import checkpoint_of
from seesaw.training.differences import differences, literal
from seesaw.training.run_folder import Job, Status, decide, read_status, saved_config, write

JOB = Job(choices={"model": "dcgan", "data": "digits", "balance": "none"})


def config(**changes: Any) -> DictConfig:
    base = {
        "seed": 1, "kimg": 10, "run_dir": None, "cache_dir": "cache", "resume": None, "logger": {}, "metrics": {},
        "dry_run": False, "trainer": {}, "log_kimg": 1, "checkpoint_kimg": 1, "evaluate_kimg": 1, "sample_kimg": 1,
        "callbacks": {}, "packages": [], "batch_size": 8, "model": {"lr": 0.1, "end": "${kimg}"},
    }  # fmt: skip
    return OmegaConf.create(base | changes)


def begun(folder: Path, cfg: DictConfig, images_shown: int = 5000) -> Path:
    (folder / "checkpoints").mkdir(parents=True)
    (folder / "checkpoints" / "last.ckpt").touch()
    write(folder / "config.yaml", yaml.safe_dump(OmegaConf.to_container(cfg, resolve=True)))
    Status(folder).update("interrupted", images_shown)
    return folder


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_no_run_begins_in_a_folder_of_runs() -> None:
    begun(Path("runs/a"), config())
    with pytest.raises(UserError, match=r"runs holds other runs, as a; choose another run_dir, such as runs/mine"):
        decide(config(), Job(JOB.choices, run_dir="runs"))
    assert decide(config(), Job(JOB.choices, run_dir="runs/b")).path == Path("runs/b")
    assert decide(config(), Job(JOB.choices, sweep_dir=Path("runs"), number=0)).path == Path("runs/0")
    begun(Path("runs/c/before-1"), config())  # it was rolled back, and killed before its next checkpoint
    assert decide(config(resume="auto"), Job(JOB.choices, run_dir="runs/c")).path == Path("runs/c")


def test_a_new_run_has_a_folder_of_its_own() -> None:
    one, other = decide(config(), JOB), decide(config(), JOB)
    assert one.path != other.path
    assert one.path.parent == Path("runs")
    assert one.path.name.startswith("dcgan-digits-none-s1-")
    assert one.checkpoint is None
    assert not one.path.exists()


def test_a_sweep_s_jobs_lie_in_it_and_cannot_share_a_folder(tmp_path: Path) -> None:
    job = Job(choices=JOB.choices, sweep_dir=tmp_path / "sweep", number=3)
    assert decide(config(), job).path == tmp_path / "sweep" / "3"
    with pytest.raises(UserError, match="run_dir=x in a sweep would give all jobs one folder"):
        decide(config(run_dir="x"), Job(choices=JOB.choices, run_dir="x", sweep_dir=tmp_path, number=0))


def test_a_folder_with_a_run_is_not_overwritten(tmp_path: Path) -> None:
    folder = begun(tmp_path / "a", config())
    job = Job(choices=JOB.choices, run_dir=str(folder))
    with pytest.raises(UserError, match="already holds a run; go on with it by resume=auto"):
        decide(config(), job)
    found = decide(config(resume="auto"), job)
    assert (found.path, found.checkpoint) == (folder, folder / "checkpoints" / "last.ckpt")
    assert decide(config(resume="auto"), Job(choices=JOB.choices, run_dir=str(tmp_path / "empty"))).checkpoint is None


def test_another_configuration_is_refused_with_its_keys(tmp_path: Path) -> None:
    job = Job(choices=JOB.choices, run_dir=str(begun(tmp_path / "a", config())))
    with pytest.raises(UserError) as caught:
        decide(config(resume="auto", seed=2, model={"lr": 0.2, "end": "${kimg}"}), job)
    assert "model.lr: 0.1, now 0.2" in str(caught.value)
    assert "seed: 1, now 2" in str(caught.value)
    assert "batch_size" not in str(caught.value)


def test_a_refusal_names_the_groups_chosen_otherwise_and_a_few_keys(tmp_path: Path) -> None:
    was = {"model": "dcgan", "model/style": "gram", "balance": "none", "logger": "csv"}
    now = was | {"model": "mlp", "model/style": "wasserstein", "logger": "wandb"}
    folder = begun(tmp_path / "a", config(extra={"a": 1, "b": 2}, model={"lr": 0.1, "style": {"x": 1}}))
    other = config(resume="auto", extra={"c": 3, "d": 4}, model={"mean": 3}, seed=7)
    Status(folder).update("interrupted", 5000, choices=was)
    with pytest.raises(UserError) as caught:
        decide(other, Job(choices=now, run_dir=str(folder)))
    listed = "model was dcgan, now mlp; model/style was gram, now wasserstein; extra.a: 1, now absent; extra.b: 2, now absent; "
    assert f"{folder} was begun with another configuration: {listed}extra.c: absent, now 3; … and 2 more; only" in str(
        caught.value
    )
    Status(folder).update("interrupted", 5000)  # of a version that did not note them
    with pytest.raises(UserError, match=r"extra\.a: .*; … and 5 more; only kimg"):
        decide(other, Job(choices=now, run_dir=str(folder)))


def test_a_run_of_the_former_layout_is_refused_with_the_commit_that_reads_it(tmp_path: Path) -> None:
    """Its configuration kept the model's recommendations; resume=auto without a folder passes over it."""
    old = config(model={"lr": 0.1, "recipe": {"kimg": 10}})
    job = Job(choices=JOB.choices, run_dir=str(begun(tmp_path / "a", old)))
    with pytest.raises(UserError) as caught:
        decide(config(resume="auto"), job)
    assert str(caught.value) == (
        f"{tmp_path / 'a'} was begun by an earlier version of seesaw; commit fe0cea8 goes on with it"
    )
    begun(Path("runs/dcgan-digits-none-s1-a"), old)
    assert decide(config(resume="auto"), JOB).checkpoint is None


def test_what_may_differ_takes_along_what_is_derived_from_it(tmp_path: Path) -> None:
    saved = OmegaConf.to_container(config(), resolve=True)
    assert isinstance(saved, dict)
    assert differences(saved, config(kimg=20, logger={"csv": 1}, evaluate_kimg=7, run_dir="b")) == []
    assert differences(saved, config(model={"lr": 0.1, "end": 20})) == ["model.end: 10, now 20"]
    assert differences(saved, config(more=1)) == ["more: absent, now 1"]


@pytest.mark.parametrize("name", ["a${b}", "${kimg}", r"\${kimg}", r"\\${kimg}\\", r"c:\d\${q}\e", "$x", "${", "a\\"])
def test_a_literal_resolves_to_itself(name: str) -> None:
    made = OmegaConf.create({"kimg": 1, "paths": literal([{"path": name}, 7, None])})
    assert OmegaConf.to_container(made, resolve=True) == {"kimg": 1, "paths": [{"path": name}, 7, None]}


def test_a_run_in_a_folder_of_a_strange_name_goes_on() -> None:
    saved = OmegaConf.to_container(config(run_dir=literal("a${b}"), logger={"path": literal("${c}")}), resolve=True)
    assert isinstance(saved, dict)
    assert saved["run_dir"] == "a${b}"
    assert differences(saved, config(run_dir=literal("a${b}"))) == []
    assert differences(saved, config(seed=2)) == ["seed: 1, now 2"]


def test_auto_without_a_folder_finds_the_newest_run_that_agrees() -> None:
    begun(Path("runs/dcgan-digits-none-s1-a"), config(batch_size=4))
    folder = begun(Path("runs/dcgan-digits-none-s1-b"), config())
    begun(Path("runs/dcgan-digits-none-s2-c"), config(seed=2))
    assert decide(config(resume="auto"), JOB).path == folder
    assert decide(config(resume="auto", batch_size=3), JOB).checkpoint is None


MULTIPLIED = "a: &a [1, 1]\n" + "".join(f"{chr(k)}: &{chr(k)} [*{chr(k - 1)}, *{chr(k - 1)}]\n" for k in range(98, 123))
"""2^26 values in 26 lines."""
ODD = [
    "- a\n",
    "model: [",
    "[" * 3000,
    "\x80",
    "model: 3\n",
    f"model: {{}}\n{MULTIPLIED}",
    "model: &m {lr: 0.1, end: *m}\n",
]


def test_auto_passes_over_what_cannot_be_read() -> None:
    """Also a pipe, which would be waited for, and a link that leads nowhere."""
    folder = begun(Path("runs/dcgan-digits-none-s1-a"), config())
    odd = [
        begun(Path(f"runs/dcgan-digits-none-s1-odd{number}"), config()) / "config.yaml"
        for number in range(len(ODD) + 2)
    ]
    for file, text in zip(odd, ODD, strict=False):
        file.write_bytes(text.encode("latin-1"))
    for file, make in zip(odd[-2:], (os.mkfifo, lambda path: path.symlink_to("nowhere")), strict=True):
        file.unlink()
        make(file)
    assert decide(config(resume="auto"), JOB).path == folder


def test_auto_resolves_the_configuration_of_the_newest_run_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """To resolve one takes a tenth of a second, and there may be thousands of runs of one name."""
    for number in range(20):
        folder = begun(Path(f"runs/dcgan-digits-none-s1-{number:02d}"), config())
        os.utime(folder / "config.yaml", (number, number))
        begun(Path(f"runs/dcgan-digits-none-s1-other{number}"), config(batch_size=number + 9))
    resolved: list[Any] = []
    monkeypatch.setattr(
        "seesaw.training.run_folder.differences", lambda saved, cfg, *of_a_place: resolved.append(saved) or []
    )
    assert decide(config(resume="auto"), JOB).path.name == "dcgan-digits-none-s1-19"
    assert len(resolved) == 2, "for the search, and for the refusal of differences"


@pytest.mark.parametrize("other", [{"batch_size": 0}, {"model": {"lr": 0, "end": "${kimg}"}}])
def test_auto_finds_one_among_a_thousand_of_one_name(other: dict[str, Any]) -> None:
    """A second of work for 5,000, of which each has its own value of an option or of an argument of the model."""
    oldest = begun(Path("runs/dcgan-digits-none-s1-oldest"), config())
    os.utime(oldest / "config.yaml", (1, 1))
    text = yaml.safe_dump(OmegaConf.to_container(config(**other), resolve=True))
    for number in range(1000):
        folder = Path(f"runs/dcgan-digits-none-s1-{number:04d}")
        (folder / "checkpoints").mkdir(parents=True)
        (folder / "checkpoints" / "last.ckpt").touch()
        changed = re.sub("(batch_size|lr): 0", rf"\1: {number + 9}", text)
        (folder / "config.yaml").write_text(changed, encoding="utf-8")
    decide(config(resume="auto", batch_size=7), JOB)  # what is imported is not counted
    begin = time.process_time()
    assert decide(config(resume="auto"), JOB).path == oldest
    assert time.process_time() - begin < 1


def test_a_run_from_before_an_option_goes_on() -> None:
    saved = OmegaConf.to_container(config(), resolve=True)
    assert isinstance(saved, dict)
    assert differences(saved, config(threads="auto")) == []
    assert differences(saved, config(batch_sizes=3)) == ["batch_sizes: absent, now 3"]


def test_a_run_from_before_an_argument_of_the_model_had_its_default() -> None:
    node = {"_target_": "seesaw.gan.module.GAN", "ema_half_life": 10.0}
    saved: Any = OmegaConf.to_container(config(model=node))
    assert differences(saved, config(model=node | {"ema_ramp": 0.05})) == []
    assert differences(saved, config(model=node | {"ema_ramp": None})) == ["model.ema_ramp: 0.05, now None"]


def test_a_checkpoint_by_path(tmp_path: Path) -> None:
    folder = begun(tmp_path / "a", config())
    path = str(folder / "checkpoints" / "last.ckpt")
    found = decide(config(resume=path), JOB)
    assert str(found.checkpoint) == path
    assert found.path.parent == Path("runs")
    assert decide(config(resume=path), Job(choices=JOB.choices, run_dir=str(folder))).path == folder
    other = begun(tmp_path / "b", config(seed=2))
    with pytest.raises(UserError, match="b already holds another run than resume="):
        decide(config(resume=path), Job(choices=JOB.choices, run_dir=str(other)))
    with pytest.raises(
        UserError,
        match="there is no such file or run folder; give null, auto, a run folder or the path of a checkpoint",
    ):
        decide(config(resume="nowhere.ckpt"), JOB)


def test_status_is_whole_and_keeps_earlier_entries(tmp_path: Path) -> None:
    status = Status(tmp_path)
    status.update("running", 0)
    status.update("failed", 1500, reason="why")
    read = json.loads((tmp_path / "status.json").read_text())
    assert (read["state"], read["kimg"], read["reason"]) == ("failed", 1.5, "why")
    assert read == read_status(tmp_path)
    for text in ("{", "[1]", "7", "null", "[" * 100_000):
        (tmp_path / "status.json").write_text(text)
        assert read_status(tmp_path) == {}


def test_status_is_what_strict_readers_of_json_take(tmp_path: Path) -> None:
    Status(tmp_path).update("failed", 5, best=float("nan"), last=[float("inf"), 1.5, "nan"], n=7)
    text = (tmp_path / "status.json").read_text()
    read = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert (read["best"], read["last"], read["n"]) == (None, [None, 1.5, "nan"], 7)


def test_a_run_s_checkpoint(tmp_path: Path) -> None:
    folder = begun(tmp_path / "a", config())
    last = folder / "checkpoints" / "last.ckpt"
    assert checkpoint_of(folder, "last") == checkpoint_of(last, "best") == last
    with pytest.raises(UserError, match=r"a holds no best\.ckpt; there is last\.ckpt"):
        checkpoint_of(folder, "best")
    with pytest.raises(UserError, match="nowhere: there is no such run folder or checkpoint"):
        checkpoint_of(Path("nowhere"), "last")


def test_a_place_that_cannot_be_written_gives_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"cannot be written: .*; choose another place by run_dir="):
        write(tmp_path / "file" / "config.yaml", "x")


def test_a_configuration_that_multiplies_is_refused(tmp_path: Path) -> None:
    """Aliases of YAML: 700 bytes would be walked for ever when the run goes on."""
    lines = (f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else '1'] * 10)}]\n" for i in range(12))
    (tmp_path / "config.yaml").write_text("".join(lines), encoding="utf-8")
    with pytest.raises(UserError, match=r"config.yaml cannot be read, so the run cannot go on"):
        saved_config(tmp_path)
