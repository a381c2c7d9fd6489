"""Arguments before Hydra reads them."""

import shlex
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from seesaw.cli.main import main as seesaw
from seesaw.config.command_line import (
    LISTS,
    SINGLE,
    check_arguments,
    check_flags,
    flags_first,
    override,
    refuse_lists,
    refuse_twice,
    with_home,
)
from seesaw.config.compose import compose
from seesaw.errors import UserError

GROUPS = ["model", "model/style", "balance", "logger", "data"]


@pytest.mark.parametrize("home", ["/home/me", "/home/of me, (not [you]) = {us}: x"])
def test_home_is_what_hydra_then_reads(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    given = ["data.root=~/faces", "+a=~", "a=[~/b,~]", "~balance", "a=~user", "-m", 'a="~/q"', "b=c/~/d"]
    made = with_home(given)
    assert made[3:] == given[3:]
    parsed = [o.value() for o in OverridesParser.create().parse_overrides(made[:3])]
    assert parsed == [f"{home}/faces", home, [f"{home}/b", home]]
    assert Path(parsed[0]) == Path("~/faces").expanduser()
    (swept,) = OverridesParser.create().parse_overrides(with_home(["data.root=~/a,~/b"]))
    assert list(swept.sweep_iterator()) == [f"{home}/a", f"{home}/b"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            "balance=ttur balance=skip_d",
            r"balance is given twice, balance=ttur and balance=skip_d: give balance=\[ttur,skip_d\]",
        ),
        ("balance=[ttur,pac] +balance=skip_d", r"give balance=\[ttur,pac,skip_d\]"),
        ("balance=none balance=ttur", "balance=none and balance=ttur: give it once"),
        ("model=mlp seed=1 model=dcgan", "model=mlp and model=dcgan: give it once"),
        ("model/style=gram model/style=wasserstein", "model/style is given twice"),
        ("hydra/launcher=joblib hydra/launcher=basic", "hydra/launcher is given twice"),
        ("engine/optimizer@model.optimizers=adam engine/optimizer@model.optimizers=rmsprop", "is given twice"),
    ],
)
def test_a_group_given_twice(arguments: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        refuse_twice(arguments.split(), GROUPS)


def test_what_may_stand_twice() -> None:
    """Keys, and a group with the same option; one other option beside them is refused."""
    allowed = ["seed=1", "seed=2", "model.G.width=1", "model.G.width=2", "model=mlp", "model=mlp", "~data", "-m"]
    refuse_twice(allowed, GROUPS)
    with pytest.raises(UserError, match="model is given twice"):
        refuse_twice([*allowed, "model=dcgan"], GROUPS)


def test_several_options_of_a_group_that_takes_one_are_refused() -> None:
    refuse_lists(["balance=[ttur,skip_d]", "model.order=[G,D]", "penalty=[r1,r2]", "loss=hinge,rpgan"])
    with pytest.raises(UserError, match=r"loss=\[hinge, rpgan\]: a run has one loss: give one of hinge, rpgan$"):
        refuse_lists(["seed=1", "loss=[hinge, rpgan]"])
    assert not set(LISTS) & set(SINGLE)


def test_flags_may_stand_between_overrides() -> None:
    given = ["kimg=1", "--config-dir", "conf", "-m", "seed=1,2", "--config-dir=other", "~balance"]
    assert flags_first(given) == ["--config-dir", "conf", "-m", "--config-dir=other", "kimg=1", "seed=1,2", "~balance"]
    assert flags_first(["--config-dir"]) == ["--config-dir"]


@pytest.mark.parametrize(
    "name",
    [
        "run",
        "a b",
        "größe",
        "a,b",
        "a=b",
        "it's",
        'a"b',
        "a\\b",
        "a${b}",
        "$HOME",
        "#1",
        "~x",
        "[1]",
        "3",
        "null",
        "日本",
    ],
)
def test_a_printed_override_is_read_back_as_it_was(name: str) -> None:
    """Through a shell, Hydra and OmegaConf, as someone who copies the printed command sends it."""
    (word,) = shlex.split(override("run_dir", Path(name)))
    cfg, _ = compose([word])
    assert cfg.run_dir == name


def test_a_flag_of_hydra_keeps_its_value_behind_an_override() -> None:
    assert flags_first(["model=mlp", "--cfg", "job", "seed=1"]) == ["--cfg", "job", "model=mlp", "seed=1"]


@pytest.mark.parametrize(
    "argument",
    [
        "debug=[1,2]",
        "debug=[overfit,1]",
        "debug=[{a:1}]",
        "debug=[[1]]",
        "debug=[nan]",
        "model=[-inf]",
        "loss=[inf]",
        "augment=[null]",
        "balance=[true,ttur]",
        "model=[1]",
    ],
)
def test_a_list_holds_names_of_options(argument: str) -> None:
    with pytest.raises(UserError, match=" is no option of "):
        refuse_lists([argument])


def test_a_list_of_one_name_is_no_way_to_choose_a_single_group() -> None:
    with pytest.raises(UserError, match=r"^model=\[dcgan\]: a run has one model: give dcgan$"):
        refuse_lists(["model=[dcgan]"])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("--config-dir", "--config-dir needs a value behind it: --config-dir FOLDER"),
        ("-cd", "-cd needs a value behind it|--config-dir needs a value behind it"),
        ("kimg=1 --config-dir", "--config-dir needs a value behind it: --config-dir FOLDER"),
        ("--config-dir=", "--config-dir needs a value behind it: --config-dir FOLDER"),
        ("--config-name= kimg=1", "--config-name needs a value"),
        ("--config-name", "--config-name needs a value behind it: --config-name VALUE"),
        ("--config-name mine", "seesaw composes its train.yaml; own options lie in --config-dir FOLDER"),
        ("--config-path=/tmp", "seesaw composes its train.yaml"),
        ("-c job -m seed=1,2", "--multirun and --cfg exclude each other: give one of them"),
        ("=3", "=3: an override is key=value"),
        ("--cfg", "--cfg needs a value behind it"),
        ("--cfg bogus", "argument --cfg/-c: invalid choice: 'bogus'"),
        ("--info bogus", "argument --info/-i: invalid choice"),
        ("--bogus", "unrecognized arguments: --bogus; `seesaw train --help` lists what can be given"),
        ("-x kimg=1", "unrecognized arguments: -x"),
        ("--experimental-rerun", "--experimental-rerun needs a value behind it"),
        ("--shell-completion", "`seesaw completion bash` prints what completes"),
        ("--experimental-rerun a.pickle", "would run what a pickle holds: `seesaw rerun RUN` repeats a run"),
    ],
)
def test_a_wrong_flag_is_one_sentence(arguments: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    first = flags_first(arguments.split())
    check = check_arguments if arguments == "=3" else lambda given, groups: check_flags(given)
    with pytest.raises(UserError, match=words) as refusal:
        check(first, GROUPS)
    assert "\n" not in str(refusal.value)
    assert seesaw(["train", *arguments.split()]) == 1
    out, err = capsys.readouterr()
    assert (out, err) == ("", f"seesaw: {refusal.value}\n")


def test_flags_that_hydra_takes_pass() -> None:
    check_flags(["seed=1", "--cfg", "job", "--resolve", "--config-dir", "x", "--config-name", "train"])
    check_flags(["-m", "seed=1,2"])


def test_a_sweep_does_not_begin_in_the_folder_of_a_run(tmp_path: Path) -> None:
    (tmp_path / "run/checkpoints").mkdir(parents=True)
    with pytest.raises(UserError, match="run is the folder of a run; give one for the sweep alone"):
        check_arguments(["-m", "seed=1,2", f"hydra.sweep.dir={tmp_path}/run"], GROUPS)
    check_arguments(["-m", "seed=1,2", f"hydra.sweep.dir={tmp_path}/sweep"], GROUPS)
