"""Many command lines for one start: `python forked.py MODULE …` reads lines of JSON, each [FOLDER, [arguments, …],
environment].

One clean process imports the modules, which take seconds, and forks for each command what `python train.py …` would be from
there on, with a folder and outputs of its own: FOLDER/k/here, out, err. It answers each line with a JSON list of [exit code,
was torch imported]. What an import itself prints stands in its own outputs.
"""

import gc
import importlib
import json
import os
import sys
import traceback
from pathlib import Path
from typing import NoReturn

from composing import compose_faster, compose_from_memory

REPOSITORY = Path(__file__).parents[2]


def command(arguments: list[str], folder: Path) -> NoReturn:
    """What train.py does, in a process that is this command's alone."""
    os.chdir(folder / "here")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
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


def main(modules: list[str]) -> None:
    for module in modules:
        importlib.import_module(module)
    prepare_composition()
    gc.set_threshold(20_000, 10, 10)
    gc.freeze()  # no child has to go through what is imported when it ends
    for line in sys.stdin:
        root, commands, environment = json.loads(line)
        os.environ.update(environment)
        print(json.dumps(answers(commands, Path(root))), flush=True)
    leave(0)


def prepare_composition() -> None:
    """Import and read what every composition needs, torch excepted."""
    compose_faster()
    importlib.import_module("seesaw.cli.train")
    from seesaw.config.options import config_dir

    compose_from_memory(config_dir())
    if "torch" in sys.modules:  # what checking one configuration looks up is known to the next
        importlib.import_module("seesaw.training.preflight").compose_checked([])


def answers(commands: list[list[str]], root: Path) -> list[tuple[int, bool]]:
    """Exit code and whether torch was imported, of each command. Two run at a time."""
    running: dict[int, int] = {}
    codes: dict[int, int] = {}
    for number, arguments in enumerate(commands):
        if len(running) == 2:
            wait_for_one(running, codes)
        folder = root / str(number)
        (folder / "here").mkdir(parents=True)
        child = os.fork()
        if child == 0:
            command(arguments, folder)
        running[child] = number
    while running:
        wait_for_one(running, codes)
    return [(codes[k], (root / str(k) / "torch").exists()) for k in range(len(commands))]


def wait_for_one(running: dict[int, int], codes: dict[int, int]) -> None:
    child, status = os.wait()
    codes[running.pop(child)] = os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    main(sys.argv[1:])
