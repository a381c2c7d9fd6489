"""docs/notebooks: executed from the first cell to the last, and committed without outputs."""

import os
import re
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

ROOT = Path(__file__).parents[1]
NOTEBOOKS = sorted((ROOT / "docs" / "notebooks").glob("*.ipynb"))


def test_notebooks_are_committed_without_outputs() -> None:
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        for cell in nbformat.read(path, as_version=4).cells:
            assert cell.cell_type != "code" or (cell.outputs == [] and cell.execution_count is None), path


def texts(cell: Any) -> str:
    """What a cell printed."""
    return "".join(output.get("text", "") for output in cell.outputs)


@pytest.mark.parametrize("kimg", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_the_notebook_trains_samples_exports_and_loads_back(
    kimg: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a kernel of its own, in an empty folder. `seesaw` on its command line is this checkout. It trains for 8 kimg."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "seesaw"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m seesaw "$@"\n', encoding="utf-8")
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    book = nbformat.read(ROOT / "docs" / "notebooks" / "seesaw.ipynb", as_version=4)
    first = next(cell for cell in book.cells if cell.cell_type == "code")
    for option, value in (("kimg", 8), ("evaluate_kimg", 4)):
        assert f'"{option}={value}"' in first.source
        first.source = first.source.replace(f'"{option}={value}"', f'"{option}={value * kimg // 8}"')
    (tmp_path / "work").mkdir()
    nbclient.NotebookClient(book, timeout=300, resources={"metadata": {"path": str(tmp_path / "work")}}).execute()
    code = [cell for cell in book.cells if cell.cell_type == "code"]
    assert re.search(rf"\d/{kimg} kimg", texts(code[0]))  # the progress bar
    assert any("image/png;base64" in output.get("data", {}).get("text/html", "") for output in code[0].outputs)
    assert any("image/png" in output.get("data", {}) for output in code[2].outputs)
    assert "generator.safetensors: " in texts(code[-3])
    assert "this model has no intermediate latents w to truncate" in texts(code[-1])
    assert (tmp_path / "work" / "notebook-run" / "generator.safetensors.md").is_file()
