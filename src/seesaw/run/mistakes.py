"""What Hydra, OmegaConf and constructors raise, as one sentence each: what, where, what is allowed."""

import errno
import re
import warnings
from typing import Any

from seesaw.errors import Notice, UserError
from seesaw.run.arguments import LISTS
from seesaw.run.check import did_you_mean
from seesaw.run.config import OPTIONS, config_dir, groups

DISK = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission is denied",
}

SHORT = {
    **dict.fromkeys(("lr", "learning_rate"), "the learning rates are model.optimizers.G.lr and model.optimizers.D.lr"),
    **dict.fromkeys(("batch", "bs"), "the images of a step are batch_size"),
    **dict.fromkeys(
        ("epochs", "max_epochs", "steps", "max_steps"), "the length of a run is kimg, in thousands of images shown"
    ),
    **dict.fromkeys(("gpu", "gpus", "devices"), "the processes of a run, one a device, are trainer.devices"),
    **dict.fromkeys(("resolution", "size", "channels"), "the shape of the images is data.resolution and data.channels"),
    **dict.fromkeys(("z_dim", "latent_dim"), "the length of a latent is model.G.z_dim"),
    **dict.fromkeys(
        ("workers", "num_workers"), "training reads prepared images and needs none; seesaw prepare has --jobs"
    ),
}
"""What other programs call these, and what is meant here."""


def sentence(error: BaseException, arguments: list[str]) -> str | None:
    """The sentence, or None where the error is nobody's mistake that we know of."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from hydra.errors import InstantiationException as Building
    from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, Building):
        return of_building(error, arguments)
    if isinstance(error, MissingConfigException):
        return of_missing_option(error)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: an override is key=value, and a value with special characters stands in quotes"
    if isinstance(error, HydraException):
        return of_composition(error, arguments)
    if isinstance(error, OSError) and error.errno in DISK:
        where = f"{error.filename}: " if error.filename else ""
        what = "make room or choose another place by run_dir=… or cache_dir=…, then go on with resume=auto"
        return f"{where}{DISK[error.errno]}; {what}"
    if isinstance(error, OmegaConfBaseException):
        hint = "; where ${ belongs to a name, type \\${" if isinstance(error, InterpolationResolutionError) else ""
        return f"{getattr(error, 'full_key', None) or 'the configuration'}: {first_line(error)}{hint}"
    return None


def plain_notices() -> None:
    """Have our own notices printed as sentences, and leave the warnings of others as they are."""
    usual = warnings.formatwarning

    def written(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
        return f"seesaw: {message}\n" if issubclass(category, Notice) else usual(message, category, *place, **more)

    warnings.formatwarning = written


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def of_building(error: Any, arguments: list[str]) -> str | None:
    """A constructor refused its arguments: the key, and its own words."""
    cause = error.__cause__
    while cause is not None and type(cause).__name__ == "InstantiationException":
        cause = cause.__cause__
    key = re.search(r"full_key: (\S+)", str(error))
    where = f"{key.group(1)}: " if key else ""
    if isinstance(cause, UserError):
        return str(cause)
    return f"{where}{cause}" if isinstance(cause, ValueError) else None


def of_missing_option(error: Any) -> str:
    """group=name where there is no such file."""
    missing = str(error.missing_cfg_file or first_line(error))
    group, _, name = missing.rpartition("/")
    known = groups(config_dir()).get(group, [])
    return f"{group}={name}: there is no such option in the group {group}{did_you_mean(name, known)}"


def of_composition(error: Exception, arguments: list[str]) -> str:
    """An override that fits nothing, or cannot be parsed."""
    text = str(error.__cause__ or error) + "\n" + str(error)
    key = re.search(r"Could not (?:override|append to config\. An item is already at) '([^']+)'", text)
    if key and "already at" in text:
        return f"{key.group(1)}: it is already there; set it without the +"
    if key:
        return unknown_key(key.group(1), arguments)
    group = re.search(r"(?:Could not find match for override|No match in the defaults list) '?([^'\s]+)'?", text)
    if "Ambiguous value" in text:
        what = first_line(error).removeprefix("Ambiguous value for argument ")
        name, _, values = what.strip("'").partition("=")
        both = f", or give {name}=[{values}] for all at once" if name in LISTS else ""
        return f"{what} names several values; add -m to run each of them{both}"
    return first_line(error) if not group else unknown_key(group.group(1), arguments)


def unknown_key(key: str, arguments: list[str]) -> str:
    """The first part of a dotted key that does not exist, with what does at that place."""
    parts = key.split(".")
    if parts[0] == "hydra":
        return f"{key}: Hydra has no such option; `--cfg hydra` shows those it has"
    known = [*OPTIONS, *groups(config_dir())]
    if parts[0] not in known:
        hint = f"; {SHORT[key]}" if key in SHORT else did_you_mean(parts[0], known)
        return f"{key}: there is no option or group '{parts[0]}'{hint}"
    node, path = composed_without(key, arguments), ""
    for part in parts:
        if not isinstance(node, dict) or part not in node:
            known = list(node) if isinstance(node, dict) else []
            if part in groups(config_dir()).get(path, []):
                return f"{key}: {path}={part} is not chosen; add {path}={part} to the command"
            return f"{key}: there is no '{part}' in {path or 'the configuration'}{did_you_mean(part, known)}"
        node, path = node[part], f"{path}.{part}" if path else part
    return f"{key}: it cannot be set so; give {key}=VALUE"


def composed_without(key: str, arguments: list[str]) -> Any:
    """The configuration of the other overrides; of none where they are wrong too, or a sweep."""
    from hydra import compose, initialize_config_dir
    from hydra.core.global_hydra import GlobalHydra
    from omegaconf import OmegaConf

    others = [a for a in arguments if "=" in a and not a.lstrip("+~").startswith(f"{key}=") and "," not in a]
    GlobalHydra.instance().clear()
    with initialize_config_dir(str(config_dir()), version_base="1.3"):
        try:
            cfg = compose("train", others)
        except Exception:
            cfg = compose("train")
    return OmegaConf.to_container(cfg)
