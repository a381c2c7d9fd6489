"""Standard streams that are closed, broken or ASCII, each in a shell as a person would meet them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from seesaw.config.command_line import for_hydra

REPOSITORY = Path(__file__).parents[2]
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}


def shell(line: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """The line in bash, in which TRAIN is `python train.py` and PYTHON the interpreter."""
    known = os.environ | {"TRAIN": f"{sys.executable} {REPOSITORY}/train.py", "PYTHON": sys.executable}
    return subprocess.run(
        ["bash", "-c", f"set -o pipefail; {line}"],
        cwd=cwd, env=known | environment, capture_output=True, timeout=120, encoding="utf-8",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("streams", "code", "out", "err"),
    [
        *(
            pytest.param(*row, marks=pytest.mark.slow)
            for row in (
                (">&-", 0, "", ""),
                ("2>&-", 0, "seesaw trains", ""),
                ("<&-", 0, "seesaw trains", ""),
                ("model=x 2>&-", 0, "seesaw trains", ""),
            )
        ),
        ("<&- >&- 2>&-", 0, "", ""),
        ("| head -1", 0, "seesaw trains", ""),
    ],
)
def test_a_closed_stream_ends_no_command(streams: str, code: int, out: str, err: str, tmp_path: Path) -> None:
    done = shell(f"$TRAIN --help {streams}", tmp_path)
    assert (done.returncode, done.stdout[:13], done.stderr) == (code, out, err)


def test_a_program_goes_on_when_nobody_reads_it(tmp_path: Path) -> None:
    program = (
        "from seesaw.cli.streams import prepare_streams; prepare_streams(goes_on=True)\n"
        "for k in range(100_000): print(k)\n"
        "open('reached', 'x').close()"
    )
    done = shell(f'$PYTHON -c "{program}" | head -1', tmp_path)
    assert done.returncode == 0
    assert done.stdout == "0\n"
    assert done.stderr == "seesaw: nobody reads the standard output any more; the run goes on without it\n"
    assert (tmp_path / "reached").exists()


@pytest.mark.parametrize(("goes_on", "reached"), [(True, True), (False, False)])
def test_a_full_disk_under_the_output_ends_only_what_prints_alone(goes_on: bool, reached: bool, tmp_path: Path) -> None:
    """/dev/full takes no byte, as the disk of `seesaw train > log.txt` may. There is one sentence, also when all is flushed."""
    program = (
        f"from seesaw.cli.streams import prepare_streams; prepare_streams(goes_on={goes_on})\n"
        "import sys\n"
        "try:\n"
        "    print(1, flush=True)\n"
        "    open('reached', 'x').close()\n"
        "except Exception as error: print(error, file=sys.stderr)\n"
    )
    done = shell(f'$PYTHON -c "{program}" > /dev/full', tmp_path)
    assert done.returncode == 0
    assert (tmp_path / "reached").exists() is reached
    sentence = "seesaw: the disk of the standard output is full; the run goes on without it\n"
    assert done.stderr == (sentence if goes_on else "the disk of the standard output is full\n")


def test_a_file_that_is_opened_later_does_not_take_the_place_of_a_closed_stream(tmp_path: Path) -> None:
    program = (
        "from seesaw.cli.streams import prepare_streams; prepare_streams()\n"
        "import os; print('lost', flush=True); os.write(1, b'lost'); file = open('file', 'wb', buffering=0)\n"
        "assert file.fileno() > 2; file.write(b'kept')"
    )
    done = shell(f'$PYTHON -c "{program}" >&- <&-', tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert (tmp_path / "file").read_bytes() == b"kept"


def test_an_ascii_terminal_gets_escapes_and_files_their_names(tmp_path: Path) -> None:
    program = (
        "import sys; from seesaw.cli.streams import prepare_streams; prepare_streams()\n"
        "print(sys.argv[1]); open(sys.argv[1], 'x').close()"
    )
    done = shell(f'$PYTHON -c "{program}" größe', tmp_path, **ASCII)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "gr\\xf6\\xdfe\n"
    assert (tmp_path / "größe").exists()


@pytest.mark.slow
def test_a_run_without_streams_and_with_letters(tmp_path: Path) -> None:
    """In one process all at once: ASCII, no input, errors nowhere, and a reader that leaves after the first line."""
    line = "$TRAIN logger=csv metrics=none kimg=0.64 run_dir=größe <&- 2>&- | head -1"
    done = shell(line, tmp_path, **ASCII)
    assert done.returncode == 0
    assert done.stdout == "run folder: gr\\xf6\\xdfe\n"
    assert "finished" in (tmp_path / "größe" / "status.json").read_text(encoding="utf-8")
    assert "run_dir: größe" in (tmp_path / "größe" / "config.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("typed", "read"),
    [
        ("run_dir=größe", "größe"),
        ("data.root=/a b/größe.zip", "/a b/größe.zip"),
        ("run_dir='größe'", "größe"),
        ("packages=[ö,a]", ["ö", "a"]),
        ("kimg=3", 3),
    ],
)
def test_letters_beyond_ascii_are_read_by_hydra(typed: str, read: object) -> None:
    (override,) = OverridesParser.create().parse_overrides(for_hydra([typed]))
    assert override.value() == read
