"""Nodes that a hostile configuration may hold. With the files of `in_folder` each leaves the file MARK, or imports `attack`."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

MARK = "MARK"
CODE = f"open('{MARK}', 'w').close()"

ATTACKS: dict[str, dict[str, Any]] = {
    "torch.utils.collect_env.run": {"command": f"touch {MARK}"},
    "os.system": {"command": f"touch {MARK}"},
    "posix.system": {"command": f"touch {MARK}"},
    "builtins.exec": {"_args_": [CODE]},
    "builtins.eval": {"_args_": [CODE]},
    "builtins.open": {"_args_": [MARK, "w"]},
    "subprocess.Popen": {"args": ["touch", MARK]},
    "subprocess.check_output": {"_args_": [["touch", MARK]]},
    "runpy.run_path": {"path_name": "attack.py"},
    "importlib.import_module": {"name": "attack"},
    "attack.touch": {},
    "torch.hub.load": {"repo_or_dir": ".", "source": "local", "model": "touch", "trust_repo": True},
    "torch.load": {"f": "attack.pt", "weights_only": False},
    "torch.save": {"obj": 0, "f": MARK},
    "pytorch_lightning.Trainer": {"default_root_dir": MARK},
    "functools.partial": {"_args_": [{"_target_": "os.system", "command": f"touch {MARK}"}]},
    "hydra.utils.instantiate": {"config": {"_target_": "attack.touch"}},
    "hydra.utils.get_method": {"path": "attack.touch"},
    "pathlib.Path.touch": {"self": MARK},
    "shutil.copy": {"src": "attack.py", "dst": MARK},
    "seesaw.training.launcher.last_words": {},
    "seesaw.training.run_folder.write": {"path": {"_target_": "pathlib.Path", "_args_": [MARK]}, "text": ""},
    "seesaw.training.checkpoints.AtomicIO": {},
    "seesaw.nets.dcgan.Generator.load_state_dict": {"state_dict": {}},
    "seesaw.nets.dcgan.torch.save": {"obj": 0, "f": MARK},
}
"""Targets that no group but a trainer or logger may name, with the arguments by which they do harm."""


def put(config: dict[str, Any], key: str, evil: Any) -> dict[str, Any]:
    """A copy of the configuration with `evil` at the dotted key, in the place of what was there."""
    config = copy.deepcopy(config)
    *parents, last = key.split(".")
    inner: Any = config
    for parent in parents:
        inner = inner[parent]
    inner[last] = evil
    return config


PLACES: dict[str, Callable[[Any], Any]] = {
    "model": lambda evil: evil,
    "model.recipe": lambda evil: {"x": evil},
    "model.G": lambda evil: evil,
    "model.G.widths": lambda evil: [8, evil],
    "model.view": lambda evil: {"_target_": "seesaw.gan.views.SingleScale", "_args_": [evil]},
    "model.loss": lambda evil: {"d": evil},
    "data": lambda evil: evil,
    "data.growth": lambda evil: evil,
    "metrics": lambda evil: evil,
    "metrics.extractor": lambda evil: evil,
    "metrics.measures.more": lambda evil: {"a": [[evil]]},
    "optimizer.G": lambda evil: evil | {"_partial_": True},
    "penalty.r1": lambda evil: evil,
    "balance.x": lambda evil: {"y": evil},
    "schedule.lr": lambda evil: {"shape": "cosine", "end": evil},
    "seed": lambda evil: evil,
}
"""Key in the configuration -> what stands there."""


def node(target: str) -> dict[str, Any]:
    return {"_target_": target, **ATTACKS[target]}


class Pickled:
    """Leaves MARK when it is unpickled."""

    def __reduce__(self) -> Any:
        return exec, (CODE,)


def in_folder(folder: Path) -> None:
    """Put the files that the attacks use into `folder`, the current one of the attacked process."""
    (folder / "attack.py").write_text(f"{CODE}\ndef touch(): {CODE}\n", encoding="utf-8")
    (folder / "hubconf.py").write_text(f"{CODE}\ndef touch(): {CODE}\n", encoding="utf-8")
    torch.save(Pickled(), folder / "attack.pt")


def imported(target: str) -> set[str]:
    """Which modules that `target` may name are imported: `attack.touch` names `attack`."""
    parts = target.split(".")
    return {name for k in range(1, len(parts)) if (name := ".".join(parts[:k])) in sys.modules} | {"attack"} & {
        *sys.modules
    }
