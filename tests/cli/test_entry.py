"""The way in, as a person uses it: train.py in a process of its own, and its sentences."""

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from command_lines import HYDRA, Command, Ended, answered_here, forked, refused_in_a_sentence

from seesaw.cli.main import main as run_command
from seesaw.cli.train import main
from seesaw.config.compose import compose
from seesaw.config.options import OPTIONS, config_dir, groups
from seesaw.errors import UserError

REPOSITORY = Path(__file__).parents[2]


def train(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(REPOSITORY / "train.py"), *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=600)


OWN = f"--config-dir {REPOSITORY}/tests/extension/conf"
# The mistake, and what its sentence must name: the place, and what is allowed or what to do.
NAMES = {
    "model=pix2pix": [
        "there is no such option in the group model (known: biggan,"
    ],  # and no likeness of style_transfer
    "data.root=/tmp": ["data.root: data=digits has no 'root'; it is a key of data=celeba,", "add data=folder"],
    "data.crop=none": ["data.crop: data=digits has no 'crop'; it is a key of data=folder"],
    "model=dcgann": ["model=dcgann", "did you mean 'dcgan'?"],
    "model=null": ["model=null: null is no option of the group model (known: biggan,"],
    "penalty=3": ["penalty=3: 3 is no option of the group penalty; penalty=none chooses none"],
    "+experiment=radford2015": ["experiment: an option is chosen already; set it without the +"],
    "~metrics": ["metrics is missing: give metrics=OPTION (known: auto,"],
    "=3": ["=3: an override is key=value"],
    "loss=[hinge,rpgan]": ["loss=[hinge,rpgan]: a run has one loss: give one of hinge, rpgan"],
    "loss={d:1,e:2}": ["loss.e: there is no 'e' in loss (known: d, g)"],
    "balance={ttur:{D:2}}": ["balance.ttur: balance=ttur is not chosen; add balance=ttur to the command"],
    "optimizer={G:{lrr:1}}": ["optimizer.G.lrr: there is no 'lrr' in optimizer.G; did you mean 'lr'?"],
    "packages={a:1}": ["packages={a:1}: Cannot merge"],
    "model.recipe=3": ["model.recipe: 3 is not allowed; give a mapping of numbers"],
    f"{OWN} model=conditional model.G.widht=3": [
        "there is no 'widht' in model.G (known: _target_, resolution, channels, cla"
    ],
    f"{OWN} loss=exponental": ["there is no such option in the group loss; did you mean 'exponential'?"],
    f"{OWN} penalty.centred.x=3": ["penalty=centred is not chosen; add penalty=centred"],
    "metrics=auto metrics.n=100": ["metrics.n: metrics=auto is replaced when the run starts; give metrics=fid or"],
    "balence=ttur": ["no option or group 'balence'", "did you mean 'balance'?"],
    "modle.G.x=1": ["no option or group 'modle'", "did you mean 'model'?"],
    "model.G.widht=3": ["no 'widht' in model.G", "did you mean 'width'?"],
    "experiment=papre": ["experiment=papre", "radford2015"],
    "balance=[ttur,skipd]": ["balance=skipd", "did you mean 'skip_d'?"],
    "model.G.width": ["model.G.width", "an override is key=value"],
    "kimg=[1": ["kimg=[1: an override is key=value"],
    "batch_size=${no.such}": [
        "batch_size: Interpolation key 'no.such' not found; where ${ belongs to a name, type \\${"
    ],
    "balance.ttur.D=2": ["balance=ttur is not chosen; add balance=ttur"],
    "hydra.run.dir=out": ["hydra.run.dir=out: the folder of a run is run_dir="],
    "hydra.sweep.dir=out": ["hydra.sweep.dir=out is the folder of a sweep, and this is none: add -m, or give run_dir="],
    "-m seed=1,2 hydra.sweep.subdir=x": [
        "hydra.sweep.subdir=x: the jobs of a sweep lie in 0, 1, … under hydra.sweep.dir="
    ],
    "hydra.output_subdir=.hydra": ["hydra.output_subdir=.hydra: a run folder has the configuration in config.yaml"],
    "hydra.run.folder=x": ["hydra.run.folder: Hydra has no such option"],
    "seed=1,2": ["seed=1,2", "add -m"],
    "balance=ttur,skip_d": ["add -m to run each of them, or give balance=[ttur,skip_d] for all at once"],
    "kimg=abc": ["kimg: 'abc' is not allowed; give a number"],
    "kimg=-1": ["kimg: -1 is out of range", "at least 0.001"],
    "kimg=1e-9": ["kimg: 1e-09 is out of range; give a finite number at least 0.001"],
    f"-m seed=1,2 hydra.sweep.dir={'a' * 256}": ["aaa…: a name is too long; give a shorter one"],
    "log_kimg=0": ["log_kimg: 0 is out of range; give a finite number above 0"],
    "kimg=inf": ["kimg: inf is out of range"],
    "batch_size=0": ["batch_size: 0 is out of range; give at least 1"],
    "batch_size=2.5": ["batch_size: 2.5 is not allowed; give an integer"],
    "precision=fast": ["precision: 'fast'", "one of auto, exact"],
    "dry_run=perhaps": ["dry_run: 'perhaps'", "true or false"],
    "data=folder": ["data.root must be given"],
    "data=folder data.root=nowhere": [
        "data.root='nowhere' does not exist (looked for '/",
        "give the folder or the zip",
    ],
    "data.resolution=34": ["data: resolution is 34; its sides must be from 8 to 1024 pixels, and a base grid of 3 to 16 a side"],
    "balance=ttur balance=skip_d": ["balance is given twice", "give balance=[ttur,skip_d]"],
    "model=mlp seed=1 model=dcgan": ["model is given twice, model=mlp and model=dcgan: give it once"],
    "resume=nowhere.ckpt": [
        "resume=nowhere.ckpt: there is no such file or run folder; give null, auto, a run folder or the path of a checkpoint"
    ],
    "lr=hot": ["there is no option or group 'lr'", "the learning rates are optimizer.G.lr and optimizer.D.lr"],
    "epochs=3": ["there is no option or group 'epochs'", "kimg, in thousands of images"],
    "+trainer.precision=16": ["trainer.precision: the run sets it; give precision=auto or precision=exact"],
    "+trainer.accumulate_grad_batches=2": [
        "trainer.accumulate_grad_batches: models here step their own",
        "give model.micro_b",
    ],
    "@x=1": ["@x=1: an override is key=value"],
    "penalty@x=1": ["penalty@x=1: 1 is no option of the group penalty; "],
    "+trainer.max_epochs=3": ["trainer.max_epochs: the run sets it; give kimg=…"],
}


@pytest.fixture(scope="module")
def by_name(tmp_path_factory: pytest.TempPathFactory) -> dict[Command, Ended]:
    return forked(tmp_path_factory.mktemp("names"), [tuple(name.split(" ")) for name in NAMES], HYDRA)


@pytest.mark.parametrize("override", NAMES)
def test_a_wrong_name_or_option_is_one_sentence_before_torch_is_imported(
    override: str, by_name: dict[Command, Ended]
) -> None:
    done = by_name[tuple(override.split(" "))]
    refused_in_a_sentence(done, NAMES[override])
    assert not done.torch
    assert list(done.here.iterdir()) == []


SLOW = pytest.mark.slow


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        ("train.py model=dcgan data=folder data.root=~/celeba", "data.root='{home}/celeba' does not exist"),
        pytest.param(
            "-m seesaw prepare data=folder data.root=~/celeba", "data.root='{home}/celeba' does not exist", marks=SLOW
        ),
        pytest.param("train.py -m data=folder data.root=~/a,~/b", "data.root='{home}/b' does not exist", marks=SLOW),
    ],
)
def test_the_home_folder_as_a_shell_leaves_it(line: str, sentence: str, tmp_path: Path) -> None:
    """The README's own line, through a shell: it expands a ~ at the beginning of a word, and not behind a `=`."""
    home = tmp_path / "a home, with signs"
    home.mkdir()
    main = "import sys; from seesaw.cli.main import main; sys.exit(main())"
    program = line.replace("-m seesaw", f"-c '{main}'").replace("train.py", str(REPOSITORY / "train.py"))
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' {program}"],
        cwd=tmp_path, env=os.environ | {"HOME": str(home)}, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert sentence.format(home=home) in done.stderr


VALUES = {
    (f"run_dir={'a' * 256}",): ["aaa…: a name is too long; give a shorter one"],
    ("optimizer.G.lr=hot", "+model.lrr=1", "model.G.up=sideways", "optimizer.D.betas=[0.5]"): [
        "; optimizer.G.lr: 'hot' is not allowed; give a number;",
        "model.lrr: seesaw.gan.module.GAN has no such argument",
        "model.G.up: 'sideways' is not allowed; give one of transposed, nearest",
        "; optimizer.D.betas: [0.5] is not allowed; give a list of 2",
    ],
    ("penalty.r1.gamma=hot",): ["seesaw: penalty.r1.gamma: 'hot' is not allowed; give a number or {shape: "],
    ("penalty.r1.gamma=-1",): ["seesaw: penalty.r1: gamma is -1; it must be at least 0"],
    ("metrics.batch_size=hot",): ["seesaw: metrics.batch_size: 'hot' is not allowed; give an integer"],
    ("model=progan_small", "model.growth.fade=x"): ["seesaw: model.growth.fade: 'x' is not allowed; give an integer"],
    ("metrics=auto", "+metrics.n=100"): ["metrics.n: metrics=auto is replaced when the run starts"],
    ("trainer=cpu", "trainer.devices=two"): ["trainer.devices=two trainer.num_nodes=1 cannot be had here: "],
    ("optimizer=rmsprop", "+schedule.beta2=0.9"): [
        "seesaw: schedule.beta2: optimizer.G is RMSprop, which has no betas"
    ],
    ("~loss",): ["seesaw: loss: seesaw.gan.module.GAN needs this argument, a mapping"],
    ("+callbacks.x=1",): ["seesaw: callbacks.x: 1 is no part of callbacks, since it has no _target_"],
    ("optimizer=canvas_adam",): ["optimizer has canvas; a GAN takes one under G and one under D"],
    ("schedule=plateau", "metrics=none"): ["schedule=plateau waits for a distance, and metrics=none measures none"],
    ("monitor.on_unhealthy=stop", "metrics=none"): ["monitor.on_unhealthy=stop waits for evaluations", "metrics=none makes none"],
    ("+trainer.foo=1",): ["trainer.foo: pytorch_lightning.Trainer has no such argument"],
    ("metrics.n=1",): ["seesaw: metrics: n must be null or at least 2, not 1"],
    ("optimizer.D.lr=-1",): ["seesaw: optimizer.D.lr: -1 is out of range; give at least 0"],
    ("balance=pac", "balance.pac.m=3"): ["balance=pac packs 3 images, and a pass through D has 64"],
    ("dry_run=true", "model.D.channels=5"): ["seesaw: model.D: ", "to have 5 channels, but got 1", "images of 1x32x32"],
    ("model=dcgan", "data=gaussians_ring"): ["model.G: resolution is 1;", "there is model=mlp_points"],
    ("model.G.width=0",): ["model.G: width is 0; it must be at least 1"],
    ("data.resolution=512",): ["model.G: resolution is 512; its sides must be from 16 to 256 pixels"],
}


@pytest.mark.parametrize("overrides", VALUES, ids=lambda o: o[0])
def test_a_wrong_value_is_one_sentence(overrides: Command, tmp_path: Path) -> None:
    refused_in_a_sentence(answered_here(tmp_path, overrides), VALUES[overrides])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.parametrize("overrides", VALUES, ids=lambda o: o[0])
def test_a_process_from_its_start_to_its_end_prints_the_same(overrides: Command, tmp_path: Path) -> None:
    done = train(*overrides, cwd=tmp_path)
    refused_in_a_sentence(Ended(done.returncode, done.stdout, done.stderr, True, tmp_path), VALUES[overrides])
    assert list(tmp_path.iterdir()) == []


def test_help_lists_groups_and_options_quickly(tmp_path: Path) -> None:
    began = time.monotonic()
    done = train("--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in ("*dcgan", "skip_d", "checkpoint_kimg=25", "-m, --multirun"):
        assert word in done.stdout
    assert "torch" not in done.stderr
    assert (
        time.monotonic() - began < 20
    )  # far over a second: only an import of torch on a busy machine would take so long


def test_help_fits_80_columns_and_describes_what_the_default_run_uses(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert max(map(len, text.splitlines())) <= 80
    assert "${" not in text
    cfg, choices = compose([])
    for name in OPTIONS:
        value = "null" if cfg[name] is None else str(cfg[name]).lower()
        assert re.search(rf"^  {name}={re.escape(value)}(\n)?  +[^ \n]", text, re.MULTILINE), name
    for group in groups(config_dir()):
        assert re.search(rf"^  {group} +\w", text, re.MULTILINE), group
    marked = set(re.findall(r"\*(\w+)", text))
    assert marked == {choices[g] for g in groups(config_dir()) if g in choices}
    assert {"digits", "r1", "cosine"} <= marked


def test_help_of_the_installed_command_names_its_own_completion(capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["train", "--help"]) == 0
    text = capsys.readouterr().out
    assert 'eval "$(seesaw completion bash)"' in text
    assert "train.py" not in text


COMMANDS = {"train", "rerun", "fork", "advise", "prepare", "sample", "preview", "evaluate", "certify", "compare", "stylize",
            "search", "new", "completion"}  # fmt: skip


def with_command(folder: Path) -> dict[str, str]:
    """The environment with the command `seesaw`, which is put into the folder."""
    code = "import sys; from seesaw.cli.main import main; sys.exit(main())"
    program = folder / "seesaw"
    program.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{code}' \"$@\"\n", encoding="utf-8")
    program.chmod(0o755)
    return os.environ | {"PATH": f"{folder}:{os.environ['PATH']}", "TERM": "dumb"}


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("seesaw pre", {"prepare", "preview"}),
        pytest.param("seesaw ", COMMANDS, marks=SLOW),
        ("seesaw train model=dc", {"model=dcgan", "model=dcgan_small", "model=dcgan_photos"}),
        pytest.param("seesaw train model=mlp loss=hi", {"loss=hinge"}, marks=SLOW),
        pytest.param("seesaw prepare data=fo", {"data=folder"}, marks=SLOW),
        ("seesaw sample ru", set()),
    ],
)
def test_the_installed_command_completes_in_bash(line: str, expected: set[str], tmp_path: Path) -> None:
    script = f"""
        eval "$(seesaw completion bash)"
        COMP_LINE='{line}'; COMP_WORDS=($COMP_LINE); [ "${{COMP_LINE% }}" = "$COMP_LINE" ] || COMP_WORDS+=('')
        COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _seesaw
        printf '%s\\n' "${{COMPREPLY[@]}}"
    """
    environment = with_command(tmp_path)
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, env=environment, timeout=120)
    assert set(done.stdout.split()) == expected, done.stderr


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_the_installed_command_completes_in_fish(tmp_path: Path) -> None:
    lines = {"seesaw prep": "prepare", "seesaw train model=mlp loss=hi": "loss=hinge"}
    script = "seesaw completion fish | source; " + "; ".join(f"complete -C '{line}'" for line in lines)
    done = subprocess.run(
        ["fish", "-c", script], capture_output=True, text=True, env=with_command(tmp_path), cwd=tmp_path, timeout=120
    )
    assert done.stdout.split() == list(lines.values()), done.stderr


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_the_installed_command_completes_in_zsh(tmp_path: Path) -> None:
    """At a terminal: zsh completes in its line editor alone."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        ["zsh", "-f", "-i"], stdin=theirs, stdout=theirs, stderr=theirs, env=with_command(tmp_path), cwd=tmp_path,
        start_new_session=True,
    )  # fmt: skip
    os.close(theirs)

    def shows(text: bytes, seconds: float = 100) -> bool:
        seen, end = b"", time.monotonic() + seconds
        while text not in seen and time.monotonic() < end:
            if select.select([ours], [], [], 0.2)[0]:
                seen += os.read(ours, 4096)
        return text in seen

    try:
        os.write(ours, b'eval "$(seesaw completion zsh)"; echo READY$((1+1))\n')
        assert shows(b"READY2")
        os.write(ours, b"seesaw train model=dcgan_s\t")
        assert shows(b"model=dcgan_small")
        os.write(ours, b"\x15seesaw prep\t")
        assert shows(b"seesaw prepare")
    finally:
        running.kill()
        running.wait()
        os.close(ours)


def test_completion(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(REPOSITORY / "train.py"), "-sc", "query=bash"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
        env=os.environ | {"COMP_LINE": "python train.py model="},
    )  # fmt: skip
    assert {"model=dcgan", "model=mlp"} <= set(done.stdout.split())


def test_dry_run_prints_sizes_and_writes_nothing(tmp_path: Path) -> None:
    """In a process of its own from its start, with all imports of a run, to its end."""
    done = train("dry_run=true", "data.resolution=16", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "digits 1797x1x16x16" in done.stdout
    assert "nets.dcgan.Generator" in done.stdout
    assert not (tmp_path / "runs").exists()


def test_an_error_is_raised_where_its_trace_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", sys.argv[:])
    monkeypatch.setenv("SEESAW_TRACE", "1")
    with pytest.raises(UserError, match="kimg: -1 is out of range"):
        main(["kimg=-1"])


@pytest.mark.slow
def test_a_trace_is_shown_when_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEESAW_TRACE", "1")
    done = train("kimg=-1", cwd=tmp_path)
    assert done.returncode != 0
    assert "Traceback" in done.stderr
    assert "UserError" in done.stderr
