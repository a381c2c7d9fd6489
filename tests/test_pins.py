"""The versions that the project allows, those that CI passed with, and that the two fit."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).parents[1]
PYPROJECT = (ROOT / "pyproject.toml").read_text()
PROJECT = tomllib.loads(PYPROJECT)["project"]
REQUIRED = sorted(
    {*PROJECT["dependencies"], *(r for extra in PROJECT["optional-dependencies"].values() for r in extra)}
)
UNPINNED = {"trackio": "0.43 takes no pillow above 12, and constraints.txt holds 13 (docs/trackers.md)"}
"""What constraints.txt cannot hold beside the rest, with the reason."""

LINES = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
CONSTRAINTS = {canonicalize_name(Requirement(line).name): Requirement(line) for line in LINES}


def version_of(constraint: Requirement) -> Version:
    (pin,) = constraint.specifier
    assert pin.operator == "=="
    return Version(pin.version)


@pytest.mark.parametrize(
    ("line", "refused", "allowed", "reason"),
    [
        ("pytorch-lightning", ("2.6.1", "2.6.2", "2.6.3"), ("2.6.4", "2.7.0"), "2.6.2 and 2.6.3 were compromised"),
        ("hydra-core", ("1.3.2", "1.3.7", "1.4.0", "1.4.0.dev1"), ("1.3.8", "1.3.9"), "1.3.8 blocks dangerous targets"),
        ("hydra-core", ("2.0",), ("1.3.8",), "1.4 changes instantiate"),
    ],
)
def test_versions_with_known_harm_are_excluded_with_the_reason(
    line: str, refused: tuple[str, ...], allowed: tuple[str, ...], reason: str
) -> None:
    (asked,) = (Requirement(r) for r in PROJECT["dependencies"] if Requirement(r).name == line)
    assert not any(asked.specifier.contains(version, prereleases=True) for version in refused)
    assert all(asked.specifier.contains(version) for version in allowed)
    (written,) = (text for text in PYPROJECT.splitlines() if text.strip().startswith(f'"{line}'))
    assert reason in written.partition("#")[2]


@pytest.mark.parametrize("required", [r for r in REQUIRED if Requirement(r).name not in UNPINNED])
def test_every_direct_dependency_has_a_tried_version_that_is_allowed(required: str) -> None:
    asked = Requirement(required)
    assert asked.specifier.contains(version_of(CONSTRAINTS[canonicalize_name(asked.name)]), prereleases=True)


def test_constraints_name_exact_versions_once_and_no_place() -> None:
    assert len(CONSTRAINTS) == len(LINES)
    for constraint in CONSTRAINTS.values():
        assert constraint.url is None
        assert version_of(constraint).local is None  # a local build, as of torch for a processor, lies on another index
    assert not any(name.startswith("nvidia") or name == PROJECT["name"] for name in CONSTRAINTS)
    assert not re.search(r"://|--", "\n".join(LINES))


def test_what_is_required_indirectly_has_a_tried_version_too() -> None:
    """Some of the packages that are required by those that we require."""
    assert {"lightning-utilities", "antlr4-python3-runtime", "protobuf", "sympy", "setuptools"} <= set(CONSTRAINTS)


@pytest.mark.parametrize("extra", ["sweep", "dashboard", "tensorboard", "efflite", "mlflow", "video", "export"])
def test_an_extra_asks_the_same_of_a_package_as_the_others(extra: str) -> None:
    """`dev` repeats what the other extras hold."""
    dev = {Requirement(r).name: Requirement(r).specifier for r in PROJECT["optional-dependencies"]["dev"]}
    for required in map(Requirement, PROJECT["optional-dependencies"][extra]):
        assert dev[required.name] == required.specifier


def test_the_image_and_make_take_the_tried_versions() -> None:
    dockerfile, makefile = ((ROOT / name).read_text() for name in ("Dockerfile", "Makefile"))
    joined = dockerfile.replace("\\\n", " ").splitlines()
    copied = joined.index("COPY constraints.txt ./")
    assert joined[copied - 1] == "WORKDIR /opt/src"
    assert copied < joined.index('ARG PIP_CONSTRAINT="/opt/src/constraints.txt"')
    assert joined.index('ARG PIP_CONSTRAINT="/opt/src/constraints.txt"') < min(
        i for i, line in enumerate(joined) if line.startswith("RUN") and "pip install" in line
    )
    assert "CONSTRAINTS ?= constraints.txt" in makefile
    installs = [line for line in makefile.splitlines() if " -e " in line]
    assert len(installs) == 2
    assert all("$(CONSTRAINTS:%=-c %)" in line for line in installs)


def test_the_base_image_has_its_full_version() -> None:
    (base,) = re.findall(r"^FROM (\S+)$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    found = re.fullmatch(r"python:(\d+\.\d+\.\d+)-slim-[a-z]+", base)
    assert found is not None
    assert Requirement(f"python{PROJECT['requires-python']}").specifier.contains(found[1])


def test_no_shipped_file_names_a_registry() -> None:
    files = [f for top in ("src", "conf", "docs", ".") for f in (ROOT / top).glob("*.md" if top == "." else "**/*")]
    texts = [f for f in files if f.suffix in (".md", ".py", ".yaml", ".toml", ".ipynb") and f.is_file()]
    assert len(texts) > 300
    assert [str(f) for f in texts if re.search("pypi[.]org|registry[.]npmjs", f.read_text(encoding="utf-8"))] == []
