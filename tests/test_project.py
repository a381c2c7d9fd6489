"""The project's own rules: arrows between packages, sizes of files and functions, the image, the wheel."""

import ast
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = sorted((ROOT / "src" / "seesaw").rglob("*.py"))

# What each package may import of seesaw, besides itself: each layer those below it.
LAYERS = [
    {"errors"},
    {"util"},
    {"types"},
    {"functional"},
    {"experiment", "monitor"},
    {"shared"},
    {"nets", "gan", "style", "vae", "data", "metrics"},
    {"config"},
    {"training"},
    {"trained"},
    {"sweeps", "analysis", "export", "latents"},
    {"cli"},
    {"__main__", "__init__"},
]
LAYER = {package: number for number, packages in enumerate(LAYERS) for package in packages}


def imported(path: Path) -> set[str]:
    """The modules of seesaw that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return {name for name in found if name.startswith("seesaw.")}


def files_imported(path: Path) -> set[Path]:
    """The files of seesaw that a file imports, wherever in it: `from package import name` means the file `package/name.py`
    where there is one."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative imports are not used"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
            names = [name if file_of(name) else node.module for name in names]
        else:
            continue
        found |= {file for name in names if (file := file_of(name)) is not None}
    return found - {path}


def file_of(module: str) -> Path | None:
    base = ROOT.joinpath("src", *module.split("."))
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


def circles(graph: dict[Path, set[Path]]) -> list[set[Path]]:
    """The groups of files each of which reaches all others of its group."""
    reached = {file: set(targets) for file, targets in graph.items()}
    changed = True
    while changed:
        changed = False
        for file, targets in reached.items():
            wider = targets.union(*(reached[target] for target in targets))
            changed |= wider != targets
            reached[file] = wider
    inside = [file for file in reached if file in reached[file]]
    return [{other for other in inside if other in reached[file] and file in reached[other]} for file in inside]


def test_circles_are_found() -> None:
    a, b, c, d = (Path(name) for name in "abcd")
    assert circles({a: {b}, b: {c}, c: {b}, d: {a}}) == [{b, c}, {b, c}]
    assert circles({a: {b, c}, b: {c}, c: set(), d: {a}}) == []


def test_no_file_imports_one_that_imports_it() -> None:
    """Not by way of others, and not within a function either: what needs that belongs in a third file."""
    found = circles({path: files_imported(path) for path in SOURCES})
    names = {" ".join(sorted(str(p.relative_to(ROOT / "src" / "seesaw")) for p in circle)) for circle in found}
    assert names == set()


def test_imports_point_one_way() -> None:
    for path in SOURCES:
        package = path.relative_to(ROOT / "src" / "seesaw").with_suffix("").parts[0]
        for name in imported(path):
            target = name.split(".")[1]
            assert target == package or LAYER[target] < LAYER[package], f"{path}: {package} must not import {name}"
            assert package != "nets" or target in ("nets", "functional", "types"), f"{path}: must not import {name}"


def test_a_net_imports_no_other_net() -> None:
    for path in (ROOT / "src" / "seesaw" / "nets").glob("*.py"):
        assert all(
            n == "seesaw.types" or n.startswith(("seesaw.functional", "seesaw.nets.layers")) for n in imported(path)
        )


def test_what_takes_a_second_is_imported_where_it_is_used() -> None:
    """Else each command waits for W&B, scikit-learn and their like, whether it needs them or not."""
    slow, found = {"wandb", "sklearn", "torchmetrics", "torch_fidelity"}, []
    for path in SOURCES:
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            found += [f"{path}: {name}" for name in names if name.partition(".")[0] in slow]
    assert found == []


def test_files_and_functions_stay_short() -> None:
    long = []
    for path in [*SOURCES, *sorted((ROOT / "tests").rglob("*.py")), *sorted(ROOT.glob("*/*.py"))]:
        text = path.read_text()
        if text.count("\n") > 350:
            long.append(str(path))
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                if node.end_lineno - node.lineno + 1 > 40:
                    long.append(f"{path}: {node.name}")
    assert long == []


def test_run_and_step_name_no_model() -> None:
    text = (ROOT / "src/seesaw/training/run.py").read_text() + (ROOT / "src/seesaw/gan/module.py").read_text()
    assert not any(name in text.lower() for name in ("dcgan", "mlp", "hinge"))


def dockerfile() -> list[list[str]]:
    joined = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
    return [line.split() for line in joined.splitlines() if line.strip() and not line.startswith("#")]


def test_what_the_image_copies_exists_and_is_not_ignored() -> None:
    kept = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    sources = [source for line in dockerfile() if line[0] == "COPY" for source in line[1:-1]]
    assert sources
    for source in sources:
        assert (ROOT / source).exists()
        assert source.removeprefix("./") in kept


def test_the_base_image_is_pinned_and_no_root_runs() -> None:
    lines = dockerfile()
    (base,) = (line[1] for line in lines if line[0] == "FROM")
    assert ":" in base
    assert not base.endswith(":latest")
    assert any(line[0] == "USER" and line[1] not in ("root", "0") for line in lines)


def test_hadolint_finds_no_error() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    done = subprocess.run(
        [hadolint, "--failure-threshold", "error", str(ROOT / "Dockerfile")], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_the_wheel_holds_the_configuration_and_trains_without_the_repository(tmp_path: Path) -> None:
    """Built in a copy, unpacked elsewhere: `seesaw train` finds the conf/ and the weights inside it."""
    for name in ("src", "conf", "train.py", "pyproject.toml", "README.md", "LICENSE", "CHANGELOG.md"):
        source = ROOT / name
        shutil.copytree(source, tmp_path / "copy" / name) if source.is_dir() else shutil.copy(
            source, tmp_path / "copy" / name
        )
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "-q", "-w", str(tmp_path), str(tmp_path / "copy")]
    subprocess.run(command, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(tmp_path / "installed")
    conf = {str(p.relative_to(ROOT)) for p in (ROOT / "conf").rglob("*.yaml")}
    package = tmp_path / "installed" / "seesaw"
    assert conf == {str(p.relative_to(package)) for p in (package / "conf").rglob("*.yaml")}
    templates = {p.name for p in (ROOT / "src/seesaw/analysis/templates").iterdir()}
    assert templates == {p.name for p in (package / "analysis" / "templates").iterdir()} != set()
    program = (
        f"import sys; sys.path.insert(0, {str(tmp_path / 'installed')!r}); import seesaw; assert 'installed' in seesaw.__file__; "
        "from seesaw.cli.main import main; sys.exit(main(['train', 'kimg=0.1', 'logger=none', 'data.resolution=16', "
        "'model.G.width=4', 'model.D.width=4', 'run_dir=run']))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "checkpoints" / "last.ckpt").is_file()


def test_test_files_have_names_of_their_own() -> None:
    """pytest imports them by base name: a second one of a name is not run."""
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert sorted(names) == sorted(set(names))


def without_encoding(text: str) -> list[int]:
    """The lines of calls that read or write text in the encoding of the place where the program runs."""
    found = []
    for call in (node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)):
        name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
        builtin = isinstance(call.func, ast.Name) and name == "open"
        if not builtin and name not in ("read_text", "write_text", "fdopen", "NamedTemporaryFile"):
            continue
        values = [*call.args, *(keyword.value for keyword in call.keywords)]
        binary = any(isinstance(v, ast.Constant) and isinstance(v.value, str) and re.fullmatch(r"[rwxa+]*b[rwxa+]*", v.value)
                     for v in values)  # fmt: skip
        if not binary and not {"encoding", None} & {keyword.arg for keyword in call.keywords}:
            found.append(call.lineno)
    return found


def test_text_is_read_and_written_in_utf_8() -> None:
    """Elsewhere than in a UTF-8 locale, `größe` in a configuration would be an error or another word."""
    assert without_encoding("open(p)\nopen(p, 'rb')\np.read_text()\np.write_text(x, encoding='utf-8')\n") == [1, 3]
    folders = [ROOT / name for name in ("src", "tools", "benchmarks", "studies", "tests/support")]
    files = [ROOT / "train.py", *(file for folder in folders for file in sorted(folder.rglob("*.py")))]
    assert {f"{file}:{line}" for file in files for line in without_encoding(file.read_text(encoding="utf-8"))} == set()
