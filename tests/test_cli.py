"""What `seesaw` says of a mistake before it imports anything heavy."""

import subprocess
import sys
from pathlib import Path

import pytest

from seesaw.cli import main

SAID = {
    "evaluate nope": "nope: there is no such run folder or checkpoint",
    "evaluate .": "holds no last.ckpt; there is no checkpoint yet",
    "sample nope": "nope: there is no such run folder or checkpoint",
    "sample . --count 0": "--count is 0; it must be at least 1",
    "sample . --out g.xyz": "--out g.xyz: the name must end in .png",
    "prepare balance=ttur balance=pac": "balance is given twice",
    "search learning_rates model=mlp model=dcgan": "model is given twice",
}


@pytest.mark.parametrize("command", SAID)
def test_a_mistake_is_one_sentence(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command.split()) == 1
    err = capsys.readouterr().err
    assert SAID[command] in err
    assert len(err.splitlines()) == 1


def test_torch_is_not_imported_for_it(tmp_path: Path) -> None:
    program = "import sys; from seesaw.cli import main; [main(c.split()) for c in sys.argv[1:]]; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program, *SAID], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "False\n"
    assert len(done.stderr.splitlines()) == len(SAID)
