"""Many command lines for one start: `python forked.py FOLDER MODULE … < commands`, a JSON list of lists of arguments.

One clean process imports the modules, which take seconds, and forks for each command what `python train.py …` would be from
there on, with a folder and outputs of its own: FOLDER/k/here, out, err. It answers with a JSON list of [exit code, was torch
imported]. What an import itself prints stands in its own outputs.
"""

import gc
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

REPOSITORY = Path(__file__).parents[2]


def command(arguments: list[str], folder: Path) -> NoReturn:
    """What train.py does, in a process that is this command's alone."""
    os.chdir(folder / "here")
    for stream, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(folder / name, os.O_WRONLY | os.O_CREAT), stream)
    sys.argv = [str(REPOSITORY / "train.py"), *arguments]
    from seesaw.cli.train import main

    try:
        code = main()
    except BaseException:
        traceback.print_exc()
        code = 99
    if "torch" in sys.modules:
        (folder / "torch").touch()
    leave(code)


def leave(code: int) -> NoReturn:
    """End without freeing what was imported: that takes a second, and frozen modules are reported as leaks."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def main(root: Path, modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    gc.freeze()  # no child has to go through what is imported when it ends
    ended = []
    for number, arguments in enumerate(json.load(sys.stdin)):
        folder = root / str(number)
        (folder / "here").mkdir(parents=True)
        child = os.fork()
        if child == 0:
            command(arguments, folder)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        ended.append([code, (folder / "torch").exists()])
    print(json.dumps(ended))
    leave(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
