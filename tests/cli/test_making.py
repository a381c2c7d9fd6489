"""`seesaw new`: what is refused, and a project that trains, samples, evaluates, goes on and passes its own tests."""

import csv
import os
import subprocess
import sys
from pathlib import Path

import pytest

from seesaw.cli.main import main
from seesaw.cli.new import NAME, TEMPLATE, placed

EXTENSION = Path(__file__).parents[1] / "extension"
SOURCE = Path(__file__).parents[2] / "src"

REFUSED = {
    "torch": "torch: Python has a package of this name already; choose another, such as my_gan",
    "test": "test: Python has a package of this name already",
    "/": "/: this is not the name of a Python package",
    "file/own": "file/own cannot be made: a file stands where a folder belongs; choose another place",
    "/proc/own": "/proc/own cannot be made",
    "json": "json: Python has a package of this name already",
    "seesaw": "seesaw: Python has a package of this name already",
    "class": "class: this is not the name of a Python package",
    "my-gan": "; my_gan would do",
    "3d": "3d: this is not the name of a Python package",
    "_own": "_own: this is not the name of a Python package",
    "conf": "conf: the project has another folder of that name",
    "full": "full is not empty; choose another folder",
    "file": "file is a file; choose another name",
}


@pytest.mark.parametrize("name", REFUSED)
def test_names_and_folders_that_are_taken_are_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "kept").write_text("mine")
    (tmp_path / "file").touch()
    assert main(["new", name]) == 1
    err = capsys.readouterr().err
    assert REFUSED[name] in err
    assert err.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "full"]


@pytest.mark.parametrize("name", [".", "link"])
def test_an_empty_folder_is_filled_where_it_stands(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The current one, which a shell keeps open, and one behind a link."""
    place = tmp_path / "mine"
    place.mkdir()
    (tmp_path / "link").symlink_to(place)
    monkeypatch.chdir(place if name == "." else tmp_path)
    number = place.stat().st_ino
    assert main(["new", name]) == 0
    assert (place.stat().st_ino, (tmp_path / "link").is_symlink()) == (number, True)
    assert (place / "mine" / "model.py").is_file()
    assert not list(place.glob(".seesaw-new-*"))


def test_the_parts_are_those_of_the_page_on_extending() -> None:
    """docs/extending.md quotes tests/extension, which tests/test_docs_extending.py checks."""
    shared = [file for file in TEMPLATE.rglob("*") if file.parent.name in (NAME, "loss", "model", "data")]
    assert len(shared) == 7
    for file in shared:
        other = EXTENSION / placed(file.relative_to(TEMPLATE), "own_gan")
        if other.name != "__init__.py":
            assert file.read_text().replace(NAME, "own_gan") == other.read_text()


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new project as the current folder, which Python finds no modules in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place])
    monkeypatch.setenv("SEESAW_CACHE", str(tmp_path / "cache"))
    (tmp_path / "fresh_gan").mkdir()  # an empty folder may be there
    assert main(["new", "fresh_gan"]) == 0
    monkeypatch.chdir(tmp_path / "fresh_gan")
    return tmp_path / "fresh_gan"


def test_a_new_project_trains_goes_on_samples_and_evaluates(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = ["model=conditional", "data=squares", "data.labels=true", "loss=exponential", "metrics=digits"]
    more = ["metrics.n=32", "logger=csv", "trainer=cpu", "kimg=0.016", "run_dir=run"]
    assert main(["train", "--config-dir", "conf", "packages=[fresh_gan]", *chosen, *more]) == 0
    assert main(["train", "resume=run", "packages=[fresh_gan]", "kimg=0.024"]) == 0
    with open(project / "run" / "metrics.csv") as file:
        rows = list(csv.DictReader(file))
    assert float(rows[-1]["images"]) == 24
    assert float(rows[-1]["eval/frechet_digits"]) > 0
    assert main(["sample", "run", "--package", "fresh_gan"]) == 0
    assert (project / "samples.png").is_file()
    capsys.readouterr()
    assert main(["evaluate", "run", "--package", "fresh_gan"]) == 0
    assert "frechet_digits" in capsys.readouterr().out


def test_nothing_of_the_current_folder_is_found_before_it_is_named(project: Path) -> None:
    before = list(sys.path)
    assert main(["prepare", "data=digits"]) == 0
    assert main(["prepare", "--config-dir", "conf", "data=squares"]) == 1  # its class is of a package that is not named
    assert sys.path == before
    assert main(["prepare", "--config-dir", "conf", "data=squares", "packages=[fresh_gan]"]) == 0
    assert sys.path == [*before, str(project)]  # behind all others: no file here shadows a module


@pytest.mark.slow
def test_its_own_tests_pass(project: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert "5 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("how", [["trainer.devices=2"], ["-m", "seed=0,1", "hydra/launcher=joblib"]], ids=["ranks", "jobs"])
def test_other_processes_find_the_package(how: list[str], project: Path) -> None:
    """A file of the project that is called like a module of Python's shadows it in none of them."""
    (project / "json.py").write_text("raise RuntimeError('this is not json')")
    (project / "yaml.py").write_text("raise RuntimeError('this is not yaml')")
    program = project.parent / "program.py"  # in another folder, as the installed command is
    program.write_text("import sys\nfrom seesaw.cli.main import main\nsys.exit(main())\n")
    chosen = ["packages=[fresh_gan]", "model=conditional", "data=squares", "loss=exponential", "metrics=none", "kimg=0.016"]
    command = [sys.executable, str(program), "train", "--config-dir", "conf", *chosen, "logger=csv", "trainer=cpu", *how]
    environment = os.environ | {"PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(project.glob("runs/*/checkpoints/last.ckpt")) or len(list(project.glob("runs/*/*/checkpoints/last.ckpt"))) == 2
