"""The allow-list: what a configuration may name, compared as text before anything is imported."""

import importlib.metadata
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from attacks import ATTACKS, node

from seesaw.config import allowed
from seesaw.config.allowed import check_origin, check_packages, refuse_foreign, refuse_unknown, shipped_targets
from seesaw.config.options import config_dir
from seesaw.errors import UserError

GROUPS = ("model", "data", "metrics", "optimizer", "penalty", "logger", "callbacks")
NESTINGS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "itself": lambda evil: evil,
    "recipe.x": lambda evil: {"recipe": {"x": evil}},
    "G": lambda evil: {"G": evil},
    "G.width": lambda evil: {"G": {"width": evil}},
    "G.widths.1": lambda evil: {"G": {"widths": [64, evil]}},
    "G._args_.0": lambda evil: {"G": {"_args_": [evil]}},
    "raw": lambda evil: {"G": {"_recursive_": False, "width": evil}},
    "deep": lambda evil: {"a": [[{"b": {"c": [evil]}}]]},
    "loss.d": lambda evil: {"loss": {"d": evil}},
}


OWN_TARGETS = {("torch.optim.Adam", "optimizer")}
FOREIGN = [(t, g) for t in ATTACKS for g in GROUPS if (t, g) not in OWN_TARGETS]


@pytest.mark.parametrize(("target", "group"), FOREIGN)
def test_a_foreign_target_is_refused_in_every_group_and_at_any_depth(target: str, group: str) -> None:
    for nesting, nested in NESTINGS.items():
        with pytest.raises(UserError) as refusal:
            refuse_unknown(nested(node(target)), group)
        text = str(refusal.value)
        assert text.startswith(f"{group}."), nesting
        assert f"_target_: '{target}' is not among the classes" in text
        assert "\n" not in text


def test_nothing_is_imported_to_decide_it() -> None:
    """In a process of its own, where torch is not loaded."""
    program = (
        "import sys; from seesaw.config.allowed import refuse_unknown; from seesaw.errors import UserError\n"
        "for target in sys.argv[1:]:\n"
        "    try: refuse_unknown({'_target_': target}, 'model', ['own_package'])\n"
        "    except UserError: pass\n"
        "print([m for m in ('torch', 'hydra', 'attack', 'runpy', 'own_package') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program, *ATTACKS], capture_output=True, text=True, timeout=60)
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_every_shipped_node_passes_in_its_group_and_fails_in_others() -> None:
    seen = 0
    for file in sorted(config_dir().glob("*/**/*.yaml")):
        content = yaml.safe_load(file.read_text()) or {}
        group = file.relative_to(config_dir()).parts[0]
        for key, found in ({group: content} if "@package _global_" not in file.read_text() else content).items():
            refuse_unknown(without_defaults(found), key)
        if (
            isinstance(content, dict)
            and str(content.get("_target_")).startswith("seesaw.")
            and group in ("data", "model")
        ):
            seen += 1
            for other in {"data", "model", "metrics", "optimizer"} - {group}:
                with pytest.raises(UserError, match=f"not among the classes that conf/{other} names"):
                    refuse_unknown({"_target_": content["_target_"]}, other)
    assert seen > 10


def without_defaults(node: Any) -> Any:
    return {k: v for k, v in node.items() if k != "defaults"} if isinstance(node, dict) else node


def test_files_of_several_groups_count_for_the_group_in_whose_node_they_stand(tmp_path: Path) -> None:
    (tmp_path / "experiment").mkdir()
    (tmp_path / "model" / "style").mkdir(parents=True)
    (tmp_path / "experiment" / "x.yaml").write_text(
        "# @package _global_\n# A comment\nkimg: 1\ndata: {_target_: a.Data}\n"
        "model: {G: {_target_: a.Net, w: [{_target_: a.W}]}}\n"
    )
    (tmp_path / "model" / "style" / "y.yaml").write_text("style: {_target_: a.Style}\n")
    assert shipped_targets(tmp_path) == {"data": {"a.Data"}, "model": {"a.Net", "a.W", "a.Style"}, "kimg": frozenset()}


def test_part_groups_inside_an_assembled_node_are_checked_as_their_own() -> None:
    loss = {"d": {"_target_": "seesaw.gan.losses.HingeD"}}
    optimizer = {"G": {"_target_": "torch.optim.Adam", "_partial_": True}}
    refuse_unknown({"_target_": "seesaw.gan.module.GAN", "loss": loss, "optimizer": optimizer}, "model")
    for wrong in ({"loss": optimizer}, {"optimizer": loss}, {"G": loss}, {"G": {"optimizer": optimizer}}):
        with pytest.raises(UserError, match="is not among the classes"):
            refuse_unknown({"_target_": "seesaw.gan.module.GAN", **wrong}, "model")


def test_growth_comes_to_the_data_from_the_model() -> None:
    data = {"_target_": "seesaw.data.sources.digits.Digits"}
    refuse_unknown({**data, "growth": {"_target_": "seesaw.gan.growth.Growing"}}, "data")
    with pytest.raises(UserError, match="conf/data names"):
        refuse_unknown({**data, "more": {"_target_": "seesaw.gan.growth.Growing"}}, "data")


@pytest.mark.parametrize("group", ["model", "balance", "augment"])
def test_a_schedule_may_stand_wherever_a_number_does(group: str) -> None:
    from hydra.utils import get_object

    for target in sorted(allowed.SCHEDULES):
        refuse_unknown({"x": {"gamma": {"_target_": target}}}, group)
        assert isinstance(get_object(target), type)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"_target_": 3}, "model._target_: 3 is not a dotted name"),
        ({"_target_": None}, "null is not a dotted name"),
        ({"_target_": ["os.system"]}, "is not a dotted name"),
        ({"_target_": "Generator"}, "'Generator' is not a dotted name"),
        ({"_target_": "${oc.env:HOME}"}, "is not a dotted name"),
        ({"_target_": "os.system\n"}, "is not a dotted name"),
        ({"_target_": " seesaw.gan.module.GAN"}, "is not a dotted name"),
        (
            {"_target_": "seesaw.gan.module.GAN", "_partial_": "yes"},
            "model._partial_: 'yes' is not allowed; give true or false",
        ),
        ({"_recursive_": 0}, "_recursive_: 0 is not allowed"),
        (
            {"_convert_": {"_target_": "os.system"}},
            "_convert_: {'_target_': 'os.system'} is not allowed; give one of none, ",
        ),
        ({"x": {"_args_": "abc"}}, "model.x._args_: 'abc' is not allowed; give a list"),
        ({"_tarjet_": "os.system"}, "model._tarjet_: there is no such key; did you mean '_target_'?"),
        ({"x": ("${oc.create:{_target_:os.system}}",)}, "model.x: a tuple is not allowed; give a mapping, a list"),
        ({"x": {1, 2}}, "model.x: a set is not allowed"),
        ({"x": [b"bytes"]}, "model.x.0: a bytes is not allowed"),
        ({("a",): 1}, "the key ('a',) is not allowed"),
        ({"x": {"a\nb\x1b[2J": 1}}, "model.x: the key 'a\\nb\\x1b[2J' is not allowed"),
        ("os.system", None),
        ({"_args_": [1], "x": {4: 128}}, None),
    ],
)
def test_odd_nodes(node: Any, words: str | None) -> None:
    if words is None:
        refuse_unknown(node, "model")
        return
    with pytest.raises(UserError) as refusal:
        refuse_unknown(node, "model")
    assert words in str(refusal.value)


def test_a_node_without_an_end_is_refused_at_once() -> None:
    loop: dict[str, Any] = {}
    loop["a"] = loop
    shared: list[Any] = []
    for _ in range(38):
        shared = [shared, shared, shared]
    for endless in (loop, shared, [0] * 200_000):
        with pytest.raises(UserError, match="nested deeper or larger than any configuration"):
            refuse_unknown(endless, "model")


OWN = """
import os, torch
from seesaw.training.run_folder import write
class Loss: pass
def make(): pass
value = make
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A package outside seesaw, which can be imported."""
    (tmp_path / "own_parts").mkdir()
    (tmp_path / "own_parts" / "__init__.py").write_text("import subprocess\n")
    (tmp_path / "own_parts" / "losses.py").write_text(OWN)
    monkeypatch.syspath_prepend(str(tmp_path))
    for name in ("own_parts", "own_parts.losses"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return "own_parts"


def test_an_own_package_is_refused_until_it_is_named(own: str) -> None:
    node = {"_target_": "seesaw.gan.module.GAN", "loss": {"d": {"_target_": "own_parts.losses.Loss"}}}
    with pytest.raises(UserError) as refusal:
        refuse_unknown(node, "model")
    assert "add packages=[own_parts] (seesaw sample and evaluate: --package own_parts)" in str(refusal.value)
    refuse_unknown(node, "model", [own])
    assert own not in sys.modules  # the text alone was compared
    refuse_foreign(node, "model", [own])
    with pytest.raises(UserError, match=r"'own_parts_too\.Loss' is not among the classes"):
        refuse_unknown({"_target_": "own_parts_too.Loss"}, "model", [own])


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("own_parts.losses.Loss", None),
        ("own_parts.losses.make", None),
        ("own_parts.losses.value", None),
        ("own_parts.subprocess.Popen", "is defined in subprocess, not in own_parts"),
        ("own_parts.subprocess.run", "is defined in subprocess"),
        ("own_parts.losses.os.system", "is neither a class nor a function"),
        ("own_parts.losses.torch.hub.load", "is defined in torch.hub"),
        ("own_parts.losses.write", "is defined in seesaw.training.run_folder"),
        ("own_parts.losses.Loss.__subclasses__", "is not the plain path of a class or a function"),
        ("own_parts.losses.make.__globals__", "is not the plain path of a class or a function"),
        ("own_parts.losses.Lose", "cannot import 'own_parts.losses.Lose'"),
        ("own_parts.losses", "is neither a class nor a function"),
    ],
)
def test_what_an_own_package_merely_imports_is_refused(target: str, words: str | None, own: str) -> None:
    def judge() -> None:
        refuse_unknown({"G": {"_target_": target}}, "model", [own])
        refuse_foreign({"G": {"_target_": target}}, "model", [own])

    if words is None:
        judge()
        return
    with pytest.raises(UserError) as refusal:
        judge()
    assert words in str(refusal.value)
    assert str(refusal.value).startswith("model.G._target_: ")


def test_shipped_classes_pass_the_check_of_their_origin() -> None:
    """torch.optim.Adam is defined in torch.optim.adam; its exact path is allowed, so nothing is asked of it."""
    check_origin(object(), "torch.optim.Adam", ["own_parts"])


@pytest.mark.parametrize(
    ("packages", "words"),
    [
        (["seesaw"], "packages: seesaw is not your own package"),
        (["os"], "packages: os is part of Python"),
        (["builtins"], "builtins is part of Python"),
        (["runpy"], "runpy is part of Python"),
        (["torch"], "torch is an installed library, not your own package"),
        (["hydra"], "hydra is an installed library"),
        (["pytest"], "pytest is an installed library"),
        (["own_parts", "torch"], "torch is an installed library"),
        (["own_parts.losses"], "own_parts.losses is not the name of a package: give the first part"),
        (["no_such_package_anywhere"], "no_such_package_anywhere cannot be found"),
        (["__main__"], "__main__ is not the name of a package"),
        ("own_parts", "packages: 'own_parts' is not allowed; give a list"),
        ([3], "packages: [3] is not allowed"),
    ],
)
def test_what_is_no_own_package(packages: Any, words: str, own: str) -> None:
    with pytest.raises(UserError) as refusal:
        refuse_unknown({}, "model", packages)
    assert words in str(refusal.value)


def test_an_installed_package_that_requires_seesaw_is_an_own_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "requires", lambda name: ["torch>=2", "Seesaw_GAN>=0.1"])
    allowed._extends.cache_clear()
    try:
        check_packages(["torch"])
    finally:
        allowed._extends.cache_clear()
