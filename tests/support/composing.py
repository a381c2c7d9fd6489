"""Composition in less time, for the suite: it composes about a thousand configurations."""

from functools import cache
from pathlib import Path
from typing import Any

import omegaconf
import yaml


def compose_faster() -> None:
    """Cut a quarter of the time of a composition in this process. libyaml reads the files, and the syntax tree of an
    interpolation is parsed once."""
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # OmegaConf's loader inherits from it
    parse = cache(omegaconf.grammar_parser.parse)
    for module in (omegaconf.base, omegaconf._utils):
        module.parse = parse


def compose_from_memory(folder: Path) -> None:
    """Read every file of a folder of configurations now, for processes that are forked from this one and compose once each."""
    from hydra._internal.config_repository import ConfigRepository

    from seesaw.config.compose import compose, resolved

    load, known = ConfigRepository.load_config, dict[Any, Any]()

    def load_config(self: Any, config_path: str) -> Any:
        place = (*(source.path for source in self.sources), config_path)
        if place not in known:
            known[place] = load(self, config_path)
            if len(known) == 1:  # the first composition: the others are read with it
                for file in sorted(folder.rglob("*.yaml")):
                    self.load_config(str(file.relative_to(folder).with_suffix("")))
        return known[place]

    ConfigRepository.load_config = load_config  # type: ignore[method-assign]
    resolved(compose([])[0])
