"""Every command in README.md and docs/*.md composes and passes the checks of a run, in one process and without training.

A command is a line of a fenced block, or a code span, that calls `train.py`, `seesaw` or `make train`. What stands for something
of the reader's is replaced: `…` is left out, `data.root=` is a folder of class folders, a sweep (`-m`) is its first job.
"""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image

from seesaw.cli import main as cli
from seesaw.cli.stylize import composed
from seesaw.config.advice import complete
from seesaw.config.command_line import refuse_lists, refuse_twice, with_home
from seesaw.config.options import config_dir, groups
from seesaw.config.own import own_configuration
from seesaw.config.renamed import RENAMED, renamed
from seesaw.sweeps.space import read_space
from seesaw.training.preflight import checked, compose_checked

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
OWN = ROOT / "tests" / "extension"

FENCED = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)
SPAN = re.compile(r"`([^`]+)`")
NAMES = (
    *("train", "advise", "prepare", "sample", "evaluate", "certify", "compare", "stylize", "search"),
    *("interpolate", "mix", "project", "directions", "nearest", "film", "export"),
)
START = re.compile(rf"(?:^|\s)(?:(train)\.py|(seesaw)(?= (?:{'|'.join(NAMES)})\b)|(make) train)(?=\s|$)")

NOT_CHECKED = {
    "train --help": "prints a page, which tests/cli/test_main.py reads",
    "seesaw train --help --config-dir conf": "the same page, which tests/config/test_own.py reads",
}
"""Command -> why nothing of it can be composed."""


class Command(NamedTuple):
    """A command of a page: what is called (train, seesaw) and its arguments as written."""

    page: str
    program: str
    arguments: tuple[str, ...]

    def __str__(self) -> str:
        return " ".join([self.program, *self.arguments])


def commands(page: Path) -> Iterator[Command]:
    text = page.read_text()
    lines = [line for block in FENCED.findall(text) for line in re.sub(r"\\\n", " ", block).splitlines()]
    spans = [" ".join(span.split()) for span in SPAN.findall(FENCED.sub("", text))]
    for line in [*lines, *spans]:
        found = START.search(line)
        if found is None:
            continue
        words = tuple(shlex.split(line[found.end() :], comments=True))
        if found[3]:  # make train ARGS="…"
            words = tuple(words[0].removeprefix("ARGS=").split()) if words else ()
        yield Command(page.name, "seesaw" if found[2] else "train", words)


COMMANDS = list({str(command): command for page in reversed(PAGES) for command in commands(page)}.values())
"""Each once, of the first page that has it."""


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `data.root=` is in the pages: a folder of two classes."""
    folder = tmp_path_factory.mktemp("pictures")
    for name in ("a", "b"):
        (folder / name).mkdir()
        Image.new("RGB", (8, 8)).save(folder / name / "1.png")
    return folder


def filled(words: tuple[str, ...], pictures: Path) -> list[str]:
    """The overrides with the reader's own things in their places."""
    out = []
    for word in words:
        word = word.replace("my_gan", "own_gan")  # of `seesaw new`, with the same parts (tests/cli/test_making.py)
        key, equals, value = word.partition("=")
        if word in ("…", "..."):
            continue
        if key == "data.root":
            value = str(pictures)
        out.append(f"{key}{equals}{'x' if value == '…' else value}")
    return out


def first_job(overrides: list[str]) -> list[str]:
    """The overrides of the first job of a sweep."""
    out = []
    for text, override in zip(overrides, OverridesParser.create().parse_overrides(overrides), strict=True):
        if override.is_sweep_override():
            text = f"{override.get_key_element()}={next(iter(override.sweep_string_iterator()))}"
        out.append(text)
    return out


def check_train(words: list[str]) -> None:
    """As `seesaw train` composes them. Flags: -m, and --config-dir, which is that of tests/extension."""
    overrides = with_home([word for word in words if word not in ("-m", "--config-dir", "conf")])
    refuse_twice(overrides, groups(config_dir()))
    refuse_lists(overrides)
    if "-m" in words:
        overrides = first_job(overrides)
    if "--config-dir" in words:
        overrides.append(f"hydra.searchpath=[file://{OWN / 'conf'}]")
    compose_checked(complete(overrides))


def check_seesaw(words: list[str]) -> None:
    """Arguments as the command line takes them; what they compose, where they compose something."""
    numbers = ["10000" if word == "COUNT" else word for word in words]
    options = cli.parser().parse_args(numbers)
    with own_configuration(OWN / "conf" if getattr(options, "config_dir", None) else None):
        check_options(words, options)


def check_options(words: list[str], options: argparse.Namespace) -> None:
    """What the command composes."""
    if words[0] == "prepare":
        compose_checked(complete(with_home(options.overrides)))
    elif words[0] == "advise":
        compose_checked(complete(["data=folder", *with_home(options.overrides)]))
    elif words[0] == "stylize":
        cfg, choices = composed(options.content, options.style, options.size, options.iterations, options.overrides)
        checked(cfg, options.overrides, choices)
    elif words[0] == "search" and not options.space.endswith(".yaml"):
        space = read_space(options.space)
        for corner in space.corners():
            compose_checked([*space.fixed, *options.overrides, *corner])


@pytest.mark.parametrize("command", COMMANDS, ids=lambda c: f"{c.page}: {c}")
def test_the_command_composes(command: Command, pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if str(command) in NOT_CHECKED:
        return
    words = filled(command.arguments, pictures)
    monkeypatch.syspath_prepend(OWN)
    if command.program == "train":
        check_train(words)
    elif words[0] == "train":
        check_train(words[1:])
    elif words[1:]:  # else the command is only named
        check_seesaw(words)


def test_commands_are_found_in_every_form() -> None:
    found = {str(command) for command in COMMANDS}
    assert "train -m model=dcgan_small,mlp balance=none,ttur,skip_d seed=1,2,3 kimg=100" in found  # a line
    assert "train trainer.devices=4 trainer.num_nodes=2" in found  # a span, behind torchrun or srun
    assert "train model=mlp seed=2" in found  # make train ARGS="…"
    assert "seesaw evaluate RUN --fid auto --n COUNT" in found
    assert any("loss=non_saturating,hinge" in text and "hydra.sweep.dir" in text for text in found)  # over two lines
    assert len(found) > 50
    assert set(NOT_CHECKED) <= found


@pytest.mark.parametrize("page", [*PAGES, ROOT / "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_no_page_names_a_key_of_an_earlier_version(page: Path) -> None:
    text = page.read_text()
    code = [*FENCED.findall(text), *SPAN.findall(FENCED.sub("", text))]
    keys = {word.partition("=")[0] for part in code for word in part.split()}
    assert [sentence for key in sorted(keys) if (sentence := renamed(key.lstrip("+'")))] == []


def test_the_changelog_lists_every_renamed_key() -> None:
    table = "\n".join(line for line in (ROOT / "CHANGELOG.md").read_text().splitlines() if line.startswith("| "))
    before = {span.partition("=")[0] for line in table.splitlines() for span in SPAN.findall(line.split("|")[1])}
    missing = [key for key in RENAMED if not any(name == key or name.startswith(f"{key}.") for name in before)]
    assert missing == []


def test_scripts_that_the_pages_name_exist() -> None:
    import studies

    for page in PAGES:
        for script, name in re.findall(
            r"python\s+((?:benchmarks|studies|tools)/\w+\.py)(?:\s+([a-z_]+))?", page.read_text()
        ):
            assert (ROOT / script).is_file(), f"{page.name}: {script}"
            assert script != "studies/studies.py" or name in studies.STUDIES, f"{page.name}: {name}"
