"""Files from strangers, through every command that reads them: nothing of theirs runs, and nothing is written outside.

The mark of a success is a file MARK in the current folder, in what came from the stranger, or a change in the folder `outside`.
"""

import hashlib
import json
import pickle
import random
import shlex
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from attacks import ATTACKS, MARK, PLACES, Pickled, in_folder, node, put
from hostile import make_folder, make_zip

from faults.kills import MLP
from faults.processes import Case, Running, pictures
from seesaw.util import TEMPORARY

RUN = (*MLP, "kimg=0.064", "batch_size=16", "logger=none", "trainer=cpu")
CHECKPOINT = "run/checkpoints/last.ckpt"
SCRIPT, ESCAPE = "<script>touch()</script>", "\x1b]0;touch\x07"


@dataclass
class Site:
    """A fresh current folder of the attacked process, with a stranger's `run` in it, and a folder `outside` of the user's own."""

    here: Path
    outside: Path
    cache: Path
    images: Path
    draw: random.Random

    def change(self, path: str, make: Callable[[Any], Any]) -> None:
        """Rewrite a checkpoint, a YAML file or a JSON file of the current folder."""
        file = self.here / path
        if file.suffix == ".ckpt":
            torch.save(make(torch.load(file, weights_only=True)), file)
        elif file.suffix == ".yaml":
            file.write_text(yaml.safe_dump(make(yaml.safe_load(file.read_text(encoding="utf-8")))), encoding="utf-8")
        else:
            file.write_text(json.dumps(make(json.loads(file.read_text(encoding="utf-8")))), encoding="utf-8")

    def link(self, name: str, to: str) -> None:
        """Put a link to a file or folder outside in the place of one of the run's."""
        path = self.here / "run" / name
        if path.is_dir():
            for inner in path.iterdir():  # the files that lead on stand where the link leads to
                shutil.copy(inner, self.outside / to)
            shutil.rmtree(path)
        path.unlink(missing_ok=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(self.outside / to)

    def reader(self) -> list[str]:
        """A command that reads the run, drawn among those that build something of it."""
        resume = ["train", *RUN, "kimg=0.128"]
        return self.draw.choice([
            ["sample", CHECKPOINT], ["sample", "run"], ["evaluate", CHECKPOINT], ["evaluate", "run"],
            [*resume, f"resume={CHECKPOINT}"], [*resume, "resume=auto", "run_dir=run"], ["train", "resume=run", "kimg=0.128"],
        ])  # fmt: skip


Attack = Callable[[Site], list[str]]
"""Lays an attack; returns the command that the user gives."""


def named_class(site: Site, target: str) -> list[str]:
    """The configuration in a checkpoint names a class that does harm."""
    place = site.draw.choice(list(PLACES))
    site.change(CHECKPOINT, lambda saved: saved | {"config": put(saved["config"], place, PLACES[place](node(target)))})
    return site.reader()


def typed_class(site: Site, target: str) -> list[str]:
    """The configuration of a run folder and the command in its status name it."""
    place = site.draw.choice(["model", "data", "metrics", "penalty", "callbacks", "logger"])
    site.change("run/config.yaml", lambda saved: put(saved, place, {"x": node(target)}))
    evil = f"+{place}.x={{_target_:{target},command:touch {MARK}}}"
    site.change("run/status.json", lambda saved: saved | {"overrides": [*saved["overrides"], evil]})
    return site.draw.choice([["rerun", "run", "run_dir=again"], ["train", "resume=run"], ["compare", "run"]])


def pickled(site: Site, where: str, how: str) -> list[str]:
    """A pickle that runs code when it is opened, as a file or within a checkpoint."""
    content: Any = Pickled()
    if where:
        content = torch.load(site.here / CHECKPOINT, weights_only=True)
        content[where] = {"a": Pickled()}
    if how == "pickle":
        (site.here / CHECKPOINT).write_bytes(pickle.dumps(content))
    else:
        torch.save(content, site.here / CHECKPOINT, _use_new_zipfile_serialization=how == "zip")
    return site.reader()


def pickled_weights(site: Site, command: list[str]) -> list[str]:
    """Weights that a command is given, with a pickle in them."""
    torch.save({"fc.weight": Pickled()}, site.here / "weights.pth")
    return command


def pickled_arrays(site: Site, name: str) -> list[str]:
    """A prepared set in the cache with an array of Python objects."""
    for label in ("a", "b"):
        shutil.copytree(site.images, site.here / "classes" / label)
    data = ["data=folder", "data.root=classes", "data.labels=true", "data.resolution=8", "cache_dir=mine"]
    done = Running(site.here.parent / "preparing", ["prepare", *data], here=site.here).wait()
    assert done.code == 0, done.err
    (file,) = (site.here / "mine").rglob(name)
    np.save(file, np.array([Pickled()] * 24, dtype=object), allow_pickle=True)
    return [
        "train",
        *MLP[:3],
        "metrics=none",
        "kimg=0.016",
        "batch_size=8",
        "logger=none",
        "trainer=cpu",
        "run_dir=new",
        *data,
    ]


def pickled_statistics(site: Site) -> list[str]:
    """Statistics of the reals in the cache, replaced by a pickle."""
    for file in site.cache.joinpath("reference").glob("*.pt"):
        (site.here / "mine/reference").mkdir(parents=True, exist_ok=True)
        torch.save(Pickled(), site.here / "mine/reference" / file.name)
    return ["evaluate", "run", "cache_dir=mine"]


def in_the_status(site: Site, more: list[str], command: list[str]) -> list[str]:
    """The command that the status of the run holds would run code, or leave the folder."""
    site.change("run/status.json", lambda saved: saved | {"overrides": [*saved["overrides"], *more]})
    (site.here / "conf").mkdir(exist_ok=True)
    (site.here / "conf/evil.yaml").write_text(f"_target_: os.system\ncommand: touch {MARK}\n", encoding="utf-8")
    return command


def as_text(site: Site, path: str, text: str, command: list[str]) -> list[str]:
    """A file of the run holds this text."""
    (site.here / path).write_text(text, encoding="utf-8")
    return command


def in_a_page(site: Site, text: str) -> list[str]:
    """Words of a run that reach a page and a terminal."""
    site.change("run/config.yaml", lambda saved: saved | {"seed": text, text: text})
    words = {"reason": text, "protocol": text, "state": text, "metric": text, "choices": {"model": text}}
    site.change("run/status.json", lambda saved: saved | words)
    shutil.copytree(site.here / "run", site.here / text.replace("/", ""))
    return ["compare", "run", text.replace("/", "")]


def interpolated(site: Site, text: Any) -> list[str]:
    """A text in a checkpoint's configuration that OmegaConf would resolve."""
    place = site.draw.choice(["model.order", "data.name", "seed", "metrics.primary"])
    site.change(CHECKPOINT, lambda saved: saved | {"config": put(saved["config"], place, text)})
    return site.reader()


def linked(site: Site, name: str, command: list[str]) -> list[str]:
    """A link in the run folder that leads outside."""
    site.link(name, "folder" if "." not in name[1:] and not name.startswith(".") else "file.txt")
    return command


def pictures_of_a_stranger(site: Site, form: str) -> list[str]:
    """A folder or a zip with names that lead out, bombs, links, pipes."""
    if form == "zip":
        make_zip(site.here / "stranger.zip")
    else:
        make_folder(site.here / "stranger.zip")
    data = ["data=folder", "data.root=stranger.zip", "data.resolution=8", "data.max_bad=1.0", "cache_dir=mine"]
    return ["prepare", *data]


def bomb(site: Site, size: int) -> list[str]:
    """A checkpoint that is packed: megabytes that become gigabytes."""
    archive = zipfile.ZipFile(site.here / CHECKPOINT, "w", zipfile.ZIP_DEFLATED)
    with archive, archive.open("last/data.pkl", "w", force_zip64=True) as entry:
        for _ in range(size):
            entry.write(bytes(1 << 20))
    return site.reader()


RESUME = ["train", *RUN, "kimg=0.128", "resume=auto", "run_dir=run"]
EVALUATE, GO_ON = ["evaluate", "run"], ["train", "resume=run", "kimg=0.128"]
LINKS = {
    ".run_lock": RESUME, "log.txt": [*RESUME, "optimizer.G.lr=1e30"], "evaluations.jsonl": EVALUATE, "metrics.csv": RESUME,
    "status.json": RESUME, "config.yaml": RESUME, "curves.png": RESUME, "reals.png": RESUME, "checkpoints": RESUME,
    "samples": RESUME, "samples/000000.png": RESUME, CHECKPOINT[4:]: RESUME, "wandb": [*RESUME, "logger=wandb"],
    "wandb/id": [*RESUME, "logger=wandb"], "tensorboard": [*RESUME, "logger=tensorboard"],
}  # fmt: skip
FID = ["evaluate", "run", "--fid", "weights.pth"]
RERUN = ["rerun", "run", "run_dir=new"]
OVERRIDES = (
    "packages=[attack]", "--config-dir=conf", "hydra.run.dir=../outside", "-m", "hydra/launcher=joblib", "run_dir=../outside/new",
    "+hydra.callbacks.x={_target_:attack.touch}", "logger@callbacks=wandb",
)  # fmt: skip
"""What a stranger may have put among the overrides in a status."""
YAML = {
    "an object": f"seed: !!python/object/apply:os.system ['touch {MARK}']\n",
    "anchors that multiply": "".join(
        f"a{i}: &a{i} [{', '.join([f'*a{i - 1}' if i else '1'] * 10)}]\n" for i in range(9)
    ),
    "deep nesting": f"a: {'[' * 5000}{']' * 5000}\n",
}
TEXTS = (
    "${oc.create:{_target_:attack.touch}}", ("${oc.create:{_target_:attack.touch}}",), "${oc.env:SECRET}",
    "${oc.decode:'{_target_: os.system}'}",
)  # fmt: skip


def attacks() -> dict[str, Attack]:
    """Every attack by its name, in an order in which the first ones are of all kinds."""
    found: dict[str, Attack] = {}
    for name, command in LINKS.items():
        found[f"{name} is a link that leads outside"] = partial(linked, name=name, command=command)
    for how in ("zip", "former layout", "pickle"):
        found[f"a pickle as {how}"] = partial(pickled, where="", how=how)
        found[f"a pickle in the weights, as {how}"] = partial(pickled, where="state_dict", how=how)
    found["a pickle in the callbacks' part"] = partial(pickled, where="callbacks", how="zip")
    found["a pickle as Inception's weights"] = partial(pickled_weights, command=FID)
    for name in ("images-8.npy", "labels.npy"):
        found[f"a pickle as {name} of a prepared set"] = partial(pickled_arrays, name=name)
    found["a pickle as statistics of the reals"] = pickled_statistics
    for form in ("zip", "folder"):
        found[f"a {form} of pictures with bombs, links and names that lead outside"] = partial(
            pictures_of_a_stranger, form=form
        )
    found["a packed checkpoint of 2 GB"] = partial(bomb, size=2048)
    for text in (SCRIPT, ESCAPE):
        found[f"a run's words are {text!r}"] = partial(in_a_page, text=text)
    for text in TEXTS:
        found[f"a checkpoint's text is {text!r}"] = partial(interpolated, text=text)
    return found | named_in_files()


def named_in_files() -> dict[str, Attack]:
    """The attacks by what a configuration, a command or a status holds."""
    found: dict[str, Attack] = {}
    for name, text in YAML.items():
        for command in (RESUME, ["compare", "run"]):
            lay = partial(as_text, path="run/config.yaml", text=text, command=command)
            found[f"config.yaml holds {name}: {command[0]}"] = lay
    for name, command in {
        "rerun": RERUN,
        "resume=auto": RESUME,
        "resume=RUN": GO_ON,
        "compare": ["compare", "run"],
    }.items():
        found[f"status.json nests deep: {name}"] = partial(
            as_text, path="run/status.json", text="[" * 100_000, command=command
        )
    for override in OVERRIDES:
        for command in (RERUN, GO_ON):
            found[f"a run's command holds {override}: {command[0]}"] = partial(
                in_the_status, more=[override], command=command
            )
    for target in ("attack.touch", "os.system", "torch.utils.collect_env.run"):
        found[f"a run's command names {target}"] = partial(typed_class, target=target)
    return found | {f"a checkpoint names {target}": partial(named_class, target=target) for target in ATTACKS}


def cases(scratch: Path, count: int, draw: random.Random) -> Iterator[Case]:
    """So many attacks, or all where `count` is larger; beyond that all again with other draws."""
    images, whole = pictures(scratch / "images"), scratch / "whole"
    first = Running(whole, ["train", *RUN, "run_dir=run", f"cache_dir={scratch / 'cache'}"], here=whole).wait()
    if first.problems(0):
        yield Case("the run that is attacked", tuple(first.problems(0)), " ".join(RUN), {})
        return
    known = attacks()
    order = [name for _ in range(0, count, len(known)) for name in known]
    for number, name in enumerate(order):
        site = prepared(scratch, number, images, draw)
        arguments = known[name](site)
        before = state(site.outside)
        environment = {
            "SECRET": "touched",
            "PYTHONPATH": str(site.here),
            "SEESAW_CACHE": str(site.cache),
            "WANDB_MODE": "offline",
        }
        running = Running(site.here.parent / "ended", arguments, environment=environment, here=site.here)
        ended = running.wait()
        problems = ended.problems(0, 1, sentence=ended.code == 1) + harm(site, before, ended.out + ended.err)
        counts = {"attacks": 1, "refused in a sentence": int(ended.code == 1)}
        yield Case(name, tuple(problems), shlex.join(["seesaw", *running.arguments]), counts)
        if not problems:
            shutil.rmtree(site.here.parent)


def prepared(scratch: Path, number: int, images: Path, draw: random.Random) -> Site:
    """The folders of one attack."""
    here, outside = scratch / str(number) / "here", scratch / str(number) / "outside"
    shutil.copytree(scratch / "whole", here)
    in_folder(here)
    (outside / "folder").mkdir(parents=True)
    (outside / "file.txt").write_text("the user's own\n", encoding="utf-8")
    (outside / "folder" / ".kept.tmp1.txt").write_text("the user's own\n", encoding="utf-8")
    assert TEMPORARY.fullmatch(".kept.tmp1.txt")
    return Site(here, outside, scratch / "cache", images, draw)


def state(folder: Path) -> dict[str, str]:
    """Every file below, and what it holds."""
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def harm(site: Site, before: dict[str, str], printed: str) -> list[str]:
    """What the attack has done."""
    found = [f"{path.name} was left: code ran" for path in site.here.parent.rglob(MARK)]
    after = state(site.outside)
    changed = [name for name in after.keys() | before.keys() if after.get(name) != before.get(name)]
    found += [f"outside/{name} was changed, made or removed" for name in sorted(changed)]
    for page in site.here.rglob("compare.html"):
        if SCRIPT in page.read_text(encoding="utf-8"):
            found.append("a script reached compare.html")
    seen = {"an escape": ESCAPE, "a secret": "touched"}
    return found + [f"{name} reached the terminal" for name, text in seen.items() if text in printed]
