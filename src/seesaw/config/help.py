"""The page of `train --help`. Descriptions are the comments of conf/train.yaml; what a run without overrides uses is composed.
Imports no torch."""

import re
import textwrap
from pathlib import Path

from omegaconf import OmegaConf

from seesaw.config.options import OPTIONS
from seesaw.config.own import all_groups, own_options
from seesaw.config.values import shown

WIDTH = 80
_GROUP = re.compile(r"^  - (\w+): \S+ +# (.+)$", re.MULTILINE)
_OPTION = re.compile(r"^(\w+): .*?\s# (.+)$", re.MULTILINE)
_BELOW = {
    "model/backbone": "of style_transfer: where features come from",
    "model/style": "of style_transfer: how styles compare",
}
"""Groups that stand in no list of defaults but that of one model."""


def help_text(program: str, folder: Path) -> str:
    """The groups with their options, those of a run without overrides marked by * and those of `--config-dir` by +, and the
    options of every run with their values in it. At most 80 columns.

    Args:
        program: how it was called.
        folder: the configuration, `conf/`.
    """
    from seesaw.config.compose import compose

    cfg, choices = compose([])
    text = (folder / "train.yaml").read_text(encoding="utf-8")
    lines = [
        "seesaw trains a GAN: compose, check, build, fit.",
        "",
        f"usage: {program} [-m] [group=option …] [key=value …]",
        "",
        "Groups (* marks what is used when nothing is given; a model or a data set may",
        "choose other options):",
    ]
    about, own = dict(_GROUP.findall(text)) | _BELOW, own_options()
    lines += ["+ marks those of --config-dir:"] if own else []
    for group, names in all_groups().items():
        chosen = choices.get(group, "none").split("+") if group in choices else []
        marked = ["*" * (name in chosen) + "+" * ((group, name) in own) + name for name in names]
        lines += [f"  {group:<16} {about.get(group, '')}".rstrip(), *_wrapped("  ".join(marked), 19)]
    lines += ["", "Options of every run, with what they are when nothing is given:"]
    about = dict(_OPTION.findall(text))
    for name in OPTIONS:
        value = OmegaConf.to_container(cfg[name]) if OmegaConf.is_config(cfg[name]) else cfg[name]
        given = f"{name}={shown(value).strip(chr(39))}"
        lines += _wrapped(about[name], 26, f"  {given:<24}")
    return "\n".join([*lines, _footer(program)])


def _wrapped(words: str, indent: int, first: str = "") -> list[str]:
    """The words from the column `indent` on, with `first` in front of them."""
    lines = textwrap.wrap(words, WIDTH - indent, break_long_words=False)
    if len(first) > indent:
        return [first, *(" " * indent + line for line in lines)]
    return [f"{first if k == 0 else '':<{indent}}{line}" for k, line in enumerate(lines)]


def _footer(program: str) -> str:
    switch = "seesaw completion bash" if program.startswith("seesaw") else f"{program} -sc install=bash"
    return f"""
Flags:
  -m, --multirun          run every combination of comma-separated values:
                          -m seed=0,1,2 balance=none,ttur
  --config-dir FOLDER     your own options beside ours: FOLDER/GROUP/NAME.yaml
  --cfg job --resolve     print the composed configuration and stop
  --version               print the version and stop
  --hydra-help            Hydra's own flags

Any key of the composed configuration can be set: optimizer.G.lr=1e-4.
SEESAW_TRACE=1 shows full traces. Completion in bash is switched on by
  eval "$({switch})\""""
