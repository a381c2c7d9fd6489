"""The verdict of `make audit` on pip-audit's reports: one that looked nothing up must not pass for a good one."""

from pathlib import Path
from typing import Any

import audit
import pytest

OWN = {"name": "seesaw-gan", "skip_reason": "distribution marked as editable"}
UNKNOWN = {"name": "torch", "skip_reason": "Dependency not found on PyPI and could not be audited: torch (2.15.0)"}
GOOD: dict[str, Any] = {"name": "numpy", "version": "2.4", "vulns": []}
BAD = {"name": "pillow", "version": "1.0", "vulns": [{"id": "CVE-1", "fix_versions": ["1.1", "2.0"], "aliases": []}]}


@pytest.mark.parametrize(
    ("dependencies", "code", "last"),
    [
        ([OWN, GOOD], 0, "audit: 1 of 1 packages checked, no known vulnerability"),
        ([OWN, GOOD, BAD], 1, "audit: 2 of 2 packages checked, 1 known vulnerabilities"),
        ([OWN, GOOD, UNKNOWN], 0, "audit: 1 of 2 packages checked, no known vulnerability"),
        (
            [OWN, UNKNOWN],
            2,
            "audit: the vulnerability database knows none of 1 packages or does not answer: nothing was checked",
        ),
    ],
)
def test_the_verdict(dependencies: list[dict[str, Any]], code: int, last: str) -> None:
    found, text = audit.verdict(dependencies)
    assert (found, text.splitlines()[-1]) == (code, last)


def test_what_is_named() -> None:
    lines = audit.verdict([GOOD, BAD, UNKNOWN])[1].splitlines()
    assert lines[0] == "pillow 1.0: CVE-1, fixed in 1.1, 2.0"
    assert lines[1] == "audit: not in the database, so not checked: torch"


@pytest.mark.parametrize("printed", ["", "not JSON", "{}"])
def test_no_report_is_a_sentence(
    printed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f"#!/bin/sh\necho '{printed}'\necho first >&2\necho ConnectionError >&2\nexit 1\n")
    stand_in.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(stand_in))
    assert audit.main() == 2
    assert capsys.readouterr().err == "audit: nothing was checked: ConnectionError\n"
