"""Composition in less time, for the suite: it composes more than a thousand configurations."""

import pickle
from collections.abc import Callable
from copy import copy, deepcopy
from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import omegaconf
import yaml


def compose_faster() -> None:
    """Cut most of the time of a composition in this process. libyaml reads the files, the syntax tree of an interpolation is
    parsed once, values of plain types are known for such at once, and what Hydra makes of the same options is kept."""
    yaml.SafeLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # OmegaConf's loader inherits from it
    parse = cache(omegaconf.grammar_parser.parse)
    for module in (omegaconf.base, omegaconf._utils):
        module.parse = parse
    recognise_plain_values()
    leave_out_what_nothing_needs()
    keep_files()
    keep_defaults_lists()
    keep_compositions()
    build_from_one_copy()


def recognise_plain_values() -> None:
    """OmegaConf asks of each value several times whether it is a dataclass or an attrs class; none of these types is."""
    plain = {str, int, float, bool, type(None), dict, list, omegaconf.DictConfig, omegaconf.ListConfig, omegaconf.AnyNode}
    ask = omegaconf._utils.is_structured_config
    modules = ("_utils", "basecontainer", "dictconfig", "listconfig", "omegaconf")
    for name in modules:
        module = getattr(omegaconf, name)
        module.is_structured_config = lambda value: type(value) not in plain and ask(value)


def leave_out_what_nothing_needs() -> None:
    """Hydra makes a mapping of all choices for each defaults list, which only an interpolation in one reads; and it copies the
    places of the files deeply."""
    from hydra._internal import defaults_list
    from hydra._internal.config_repository import CachingConfigRepository

    choices = defaults_list._create_interpolation_map

    def create_interpolation_map(overrides: Any, defaults: list[Any], self_added: bool) -> Any:
        return choices(overrides, defaults, self_added) if any(one.is_interpolation() for one in defaults) else None

    def begin(self: Any, delegate: Any) -> None:
        self.delegate, self.cache = copy(delegate), {}

    defaults_list._create_interpolation_map = create_interpolation_map
    CachingConfigRepository.__init__ = begin  # type: ignore[method-assign]


def build_from_one_copy() -> None:
    """Hydra makes a configuration of the plain mapping that it builds from, and copies it deeply; the first is its own."""
    from hydra._internal.instantiate import _instantiate2

    def copied(config: Any) -> Any:
        made_here = config._get_parent() is None and config._metadata.flags == {"allow_objects": True}
        return config if made_here else deepcopy(config)

    _instantiate2.copy = SimpleNamespace(deepcopy=copied)


def keep_files() -> None:
    """Keep the files that Hydra reads of this repository, and where it found them; others may change."""
    from hydra._internal.config_repository import ConfigRepository

    load, find = ConfigRepository.load_config, ConfigRepository._find_object_source
    files, found = Kept(), dict[Any, Any]()

    def load_config(self: Any, config_path: str) -> Any:
        return files.get(config_path if is_shipped(self) else None, lambda: load(self, config_path))

    def find_object_source(self: Any, config_path: str, object_type: Any) -> Any:
        """Its place among the sources, which are new objects each time."""
        if not is_shipped(self):
            return find(self, config_path, object_type)
        key = (tuple(source.path for source in self.sources), config_path, object_type)
        if key not in found:
            source = find(self, config_path, object_type)
            found[key] = None if source is None else self.sources.index(source)
        return None if found[key] is None else self.sources[found[key]]

    ConfigRepository.load_config = load_config  # type: ignore[method-assign]
    ConfigRepository._find_object_source = find_object_source  # type: ignore[method-assign]


def keep_defaults_lists() -> None:
    """Keep Hydra's defaults lists by the options chosen, of this repository's files alone; the values of a command line are set
    each time."""
    from hydra._internal import config_loader_impl

    list_defaults, lists = config_loader_impl.create_defaults_list, dict[Any, Any]()

    def create_defaults_list(repo: Any, config_name: Any, overrides_list: list[Any], **options: Any) -> Any:
        def listed(overrides: list[Any]) -> Any:
            return list_defaults(repo=repo, config_name=config_name, overrides_list=overrides, **options)

        if not is_shipped(repo):
            return listed(overrides_list)
        single = [override for override in overrides_list if not override.is_sweep_override()]
        values = [o for o in single if isinstance(o.value(), dict) or not repo.group_exists(o.key_or_group)]
        chosen = [o for o in single if not any(o is value for value in values)]
        key = (config_name, *options.items(), *(override.input_line for override in chosen))
        if key not in lists:
            lists[key] = listed(chosen)
        return replace(lists[key], config_overrides=values)

    config_loader_impl.create_defaults_list = create_defaults_list


def keep_compositions() -> None:
    """Keep what Hydra composes of each list, of Hydra's own files, which come first in each, and of each file, of this
    repository's files alone."""
    from hydra._internal.config_loader_impl import ConfigLoaderImpl

    compose, load_single = ConfigLoaderImpl._compose_config_from_defaults_list, ConfigLoaderImpl._load_single_config
    composed, loaded = Kept(), Kept()

    def compose_config(self: Any, defaults: list[Any], repo: Any) -> Any:
        if not is_shipped(repo):
            return compose(self, defaults=defaults, repo=repo)
        count = next((k for k, one in enumerate(defaults) if not one.config_path.startswith("hydra/")), 0)
        first = Merged(keys_of(defaults[:count]), lambda: compose(self, defaults=defaults[:count], repo=repo))
        return composed.get(keys_of(defaults), lambda: compose(self, defaults=[first, *defaults[count:]], repo=repo))

    def load_single_config(self: Any, default: Any, repo: Any) -> Any:
        if isinstance(default, Merged):
            return SimpleNamespace(config=composed.get(default.keys, default.make))
        key = (default.config_path, default.package, default.primary)
        return loaded.get(key if is_shipped(repo) else None, lambda: load_single(self, default, repo))

    ConfigLoaderImpl._compose_config_from_defaults_list = compose_config  # type: ignore[method-assign]
    ConfigLoaderImpl._load_single_config = load_single_config  # type: ignore[method-assign]


class Merged(NamedTuple):
    """The configuration of several files, in the place of one file."""

    keys: tuple[Any, ...]
    make: Callable[[], Any]


def keys_of(defaults: list[Any]) -> tuple[Any, ...]:
    return tuple((one.config_path, one.package, one.is_self, one.primary) for one in defaults)


class Kept:
    """Values by a key, each taken as a copy; under None nothing is kept. Unpickling is the fastest copy of a configuration."""

    def __init__(self) -> None:
        self.pickled = dict[Any, bytes]()

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        if key is None:
            return make()
        if key not in self.pickled:
            self.pickled[key] = pickle.dumps(make())
        return pickle.loads(self.pickled[key])


@cache
def shipped_sources() -> set[tuple[str, str]]:
    """Scheme and path of the places where a composition without own files looks."""
    from seesaw.config.options import config_dir

    return {("file", str(config_dir())), ("pkg", "hydra.conf"), ("structured", "")}


def is_shipped(repo: Any) -> bool:
    """Whether all that this repository of Hydra's reads is shipped."""
    return {(source.scheme(), source.path) for source in repo.get_sources()} <= shipped_sources()


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
