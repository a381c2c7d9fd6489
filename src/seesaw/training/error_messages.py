"""What Hydra, OmegaConf and constructors raise, as one sentence each: what, where, what is allowed."""

import contextlib
import errno
import os
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any

import yaml

from seesaw.config.allowed import PARTS
from seesaw.config.command_line import LISTS
from seesaw.config.options import OPTIONS
from seesaw.config.own import all_groups, options_with, own_folders
from seesaw.config.renamed import renamed
from seesaw.config.sentences import REPLACED
from seesaw.config.values import did_you_mean
from seesaw.errors import Notice, UserError
from seesaw.training.run_folder import RUN_FOLDER, keep_trace
from seesaw.util import DISK_ERRORS

SHORT = {
    **dict.fromkeys(("lr", "learning_rate"), "the learning rates are optimizer.G.lr and optimizer.D.lr"),
    **dict.fromkeys(("batch", "bs"), "the images of a step are batch_size"),
    **dict.fromkeys(
        ("epochs", "max_epochs", "steps", "max_steps"), "the length of a run is kimg, in thousands of images shown"
    ),
    **dict.fromkeys(("gpu", "gpus", "devices"), "the processes of a run, one a device, are trainer.devices"),
    **dict.fromkeys(("resolution", "size", "channels"), "the shape of the images is data.resolution and data.channels"),
    **dict.fromkeys(("z_dim", "latent_dim"), "the length of a latent is model.G.z_dim"),
    **{
        key: f"this is model.{key}"
        for key in ("ema_half_life", "ema_ramp", "micro_batch", "share_fakes", "compile", "order")
    },
    **dict.fromkeys(
        ("workers", "num_workers"), "training reads prepared images and needs none; seesaw prepare has --jobs"
    ),
}
"""What other programs call these, and what is meant here."""


def wants_trace() -> bool:
    """Whether exceptions are shown with their traces instead of sentences: SEESAW_TRACE=1."""
    return os.environ.get("SEESAW_TRACE") == "1"


def error_message(error: Exception, arguments: list[str], folder: Path | None = None) -> str:
    """The sentence for a known mistake; for anything else what it was, and where its trace lies.

    Args:
        error: what ended the command.
        arguments: of the command line.
        folder: whose log.txt takes the trace; None: the run folder that the error's notes name, else a temporary one.
    """
    known = known_message(error, arguments)
    if known is not None:
        return known
    log = folder / "log.txt" if folder is not None else kept_trace(error)
    text = str(error).strip().splitlines()
    what = f"unexpected {type(error).__name__}: {text[0] if text else '(no message)'}"
    return f"{what}; the trace is in {log}, or set SEESAW_TRACE=1"


def kept_trace(error: BaseException) -> Path:
    """The file that took the trace: log.txt of the run folder, or of a temporary one where that cannot be written."""
    try:
        return keep_trace(folder_of(error), error)
    except OSError:
        return keep_trace(temporary_folder(), error)


def temporary_folder() -> Path:
    return Path(tempfile.mkdtemp(prefix="seesaw-"))


def folder_of(error: BaseException) -> Path:
    """The run folder that a failing run noted on its error; where it had none yet, a temporary one."""
    noted = [text.removeprefix(RUN_FOLDER) for text in getattr(error, "__notes__", []) if text.startswith(RUN_FOLDER)]
    return Path(noted[0]) if noted else temporary_folder()


def known_message(error: BaseException, arguments: list[str]) -> str | None:
    """The sentence for an error that a user can correct, or None for any other error."""
    from hydra.errors import HydraException, MissingConfigException, OverrideParseException
    from hydra.errors import InstantiationException as Building
    from omegaconf.errors import InterpolationResolutionError, OmegaConfBaseException

    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, Building):
        return explain_building(error, arguments)
    if isinstance(error, MissingConfigException):
        return explain_missing_option(error)
    if isinstance(error, OverrideParseException):
        return f"{error.override}: an override is key=value, and a value with special characters stands in quotes"
    if isinstance(error, HydraException):
        return explain_composition(error, arguments)
    if isinstance(error, OSError) and error.errno in DISK_ERRORS:
        where = f"{brief(error.filename)}: " if error.filename else ""
        if error.errno in (errno.EISDIR, errno.ENOTDIR, errno.EEXIST):
            return f"{where}{DISK_ERRORS[error.errno]}; move it away"
        if error.errno == errno.ENAMETOOLONG:
            return f"{where}{DISK_ERRORS[error.errno]}; give a shorter one"
        what = "make room or choose another place by run_dir=… or cache_dir=…, then go on with resume=auto"
        return f"{where}{DISK_ERRORS[error.errno]}; {what}"
    if isinstance(error, OmegaConfBaseException):
        where = getattr(error, "full_key", None) or "the configuration"
        if absent := re.match(r"Interpolation key '([\w.]+)' not found", str(error)):
            group, _, key = absent.group(1).partition(".")
            if key and (having := options_with(key, group)):
                owners = f"{group}={', '.join(having)}"
                return f"{where}: it is taken from {absent.group(1)}, which is not there; it is a key of {owners}"
        hint = "; where ${ belongs to a name, type \\${" if isinstance(error, InterpolationResolutionError) else ""
        return f"{where}: {first_line(error)}{hint}"
    if isinstance(error, ValueError) and "Config group override must be" in str(error):
        return explain_no_option(arguments)
    return explain_yaml(error)


def explain_yaml(error: BaseException) -> str | None:
    """A file of configuration that is none: which, and where in it; None for other errors."""
    mark = getattr(error, "problem_mark", None)
    if isinstance(error, yaml.MarkedYAMLError) and mark is not None:
        words = " ".join(str(error.problem or error.context or "").split())
        return f"{mark.name}, line {mark.line + 1}: this is no YAML: {words}"
    if not isinstance(error, UnicodeDecodeError | yaml.reader.ReaderError):
        return None
    for file in (file for folder in own_folders() for file in sorted(folder.glob("*/**/*.yaml"))):
        try:
            yaml.safe_load(file.read_text(encoding="utf-8"))
        except (UnicodeDecodeError, yaml.reader.ReaderError):
            return f"{file}: this is no YAML: it must be text in UTF-8"
        except (OSError, yaml.YAMLError):
            continue
    return None


def brief(path: object) -> str:
    """The name of a file, at most 60 characters of it."""
    name = str(path)
    return name if len(name) <= 60 else f"{name[:59]}…"


def plain_notices() -> None:
    """Print our own notices as sentences; warnings of other packages keep their form."""
    usual = warnings.formatwarning

    def written(message: Any, category: type[Warning], *place: Any, **more: Any) -> str:
        return f"seesaw: {message}\n" if issubclass(category, Notice) else usual(message, category, *place, **more)

    warnings.formatwarning = written


def first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


_OF_THE_MODEL = rf"^(model|data|metrics)\.(?=({'|'.join(PARTS)})\b)"
"""Parts are passed to the model, and stand beside it in the configuration."""


def explain_building(error: Any, arguments: list[str]) -> str | None:
    """A constructor failed: its key, and its own words; None where no constructor was called."""
    cause = error.__cause__
    while cause is not None and type(cause).__name__ == "InstantiationException":
        cause = cause.__cause__
    key = re.search(r"full_key: (\S+)", str(error))
    where = f"{re.sub(_OF_THE_MODEL, '', key.group(1))}: " if key else ""
    if isinstance(cause, UserError):
        return str(cause)
    if isinstance(cause, ValueError):
        return str(cause) if str(cause).startswith(tuple(f"{group}." for group in PARTS)) else f"{where}{cause}"
    if cause is None or (isinstance(cause, OSError) and cause.errno in DISK_ERRORS):
        return None if cause is None else known_message(cause, arguments)
    words = str(cause).strip().splitlines()[:1]
    return f"{where}cannot be built: {': '.join([type(cause).__name__, *words])}; SEESAW_TRACE=1 shows the trace"


def explain_missing_option(error: Any) -> str:
    """group=name where there is no such file."""
    missing = str(error.missing_cfg_file or first_line(error))
    group, _, name = missing.rpartition("/")
    known = all_groups().get(group, [])
    return f"{group}={name}: there is no such option in the group {group}{did_you_mean(name, known)}"


def explain_no_option(arguments: list[str]) -> str | None:
    """group=null, group=3: a group takes the name of an option."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    known = all_groups()
    for argument in arguments:
        key, _, value = argument.lstrip("+").partition("=")
        group, at, _ = key.partition("@")
        if not group:
            return f"{argument}: an override is key=value"
        if (group not in known and not at) or argument.startswith(("-", "~")):
            continue
        (parsed,) = OverridesParser.create().parse_overrides([argument])
        if not isinstance(parsed.value(), str | list):
            options = known.get(group, [])
            without = f"; {key}=none chooses none" if "none" in options else ""
            return f"{argument}: {value} is no option of the group {group}{without}{did_you_mean(value, options)}"
    return None


def explain_composition(error: Exception, arguments: list[str]) -> str:
    """An override that fits nothing, or cannot be parsed."""
    text = str(error.__cause__ or error) + "\n" + str(error)
    key = re.search(r"Could not (?:override|append to config\. An item is already at) '([^']+)'", text)
    if key and "already at" in text:
        return f"{key.group(1)}: it is already there; set it without the +"
    if chosen := re.search(r"Multiple values for ([\w/]+)\.", text):
        return f"{chosen.group(1)}: an option is chosen already; set it without the +"
    if key:
        return unknown_key(key.group(1), arguments)
    if absent := re.search(r"Override (\S+?)=\S* looks like a config group override", text):
        name = absent.group(1)
        return renamed(name) or f"{name}: there is no group '{name}'{did_you_mean(name, all_groups())}"
    group = re.search(r"(?:Could not find match for override|No match in the defaults list) '?([^'\s]+)'?", text)
    if "Ambiguous value" in text:
        what = first_line(error).removeprefix("Ambiguous value for argument ")
        name, _, values = what.strip("'").partition("=")
        both = f", or give {name}=[{values}] for all at once" if name in LISTS else ""
        return f"{what} names several values; add -m to run each of them{both}"
    if group:
        return unknown_key(group.group(1), arguments)
    merged = re.match(r"Error merging override (\S+)", first_line(error))
    return f"{merged.group(1)}: {first_line(error.__cause__)}" if merged and error.__cause__ else first_line(error)


def unknown_key(key: str, arguments: list[str]) -> str:
    """The first part of a dotted key that does not exist, with what does at that place."""
    if (text := renamed(key)) is not None:
        return text
    parts = key.split(".")
    if parts[0] == "hydra":
        return f"{key}: Hydra has no such option; `--cfg hydra` shows those it has"
    known = [*OPTIONS, *all_groups()]
    if parts[0] not in known:
        hint = f"; {SHORT[key]}" if key in SHORT else did_you_mean(parts[0], known)
        return f"{key}: there is no option or group '{parts[0]}'{hint}"
    (node, choices), path = composed_without(key, arguments), ""
    for part in parts:
        if not isinstance(node, dict) or part not in node:
            known = list(node) if isinstance(node, dict) else []
            if part in all_groups().get(path, []):
                return f"{key}: {path}={part} is not chosen; add {path}={part} to the command"
            if path == "metrics" and choices.get("metrics") == "auto":
                return f"{key}: {REPLACED}"
            if path in choices and (having := options_with(part, path)):
                own = "; for images of your own add data=folder" if key == "data.root" else ""
                return f"{key}: {path}={choices[path]} has no '{part}'; it is a key of {path}={', '.join(having)}{own}"
            return f"{key}: there is no '{part}' in {path or 'the configuration'}{did_you_mean(part, known)}"
        node, path = node[part], f"{path}.{part}" if path else part
    if isinstance(node, dict) and (absent := absent_key(key, node, arguments)) is not None:
        return unknown_key(f"{key}.{absent}", arguments)
    return f"{key}: it cannot be set so; give {key}=VALUE"


def absent_key(key: str, node: dict[str, Any], arguments: list[str]) -> str | None:
    """The first key of the mapping to which `key` is set that is not in `node`: a mapping changes only what is there."""
    from hydra.core.override_parser.overrides_parser import OverridesParser

    given = [argument for argument in arguments if argument.lstrip("+").startswith(f"{key}={{")]
    values = [override.value() for override in OverridesParser.create().parse_overrides(given)]
    return next(filter(None, (_absent(value, node) for value in values)), None)


def _absent(value: Any, node: Any) -> str | None:
    """The dotted path of the first key of `value` that `node` has not."""
    if not (isinstance(value, dict) and isinstance(node, dict)):
        return None
    for name, child in value.items():
        if name not in node:
            return str(name)
        if (below := _absent(child, node[name])) is not None:
            return f"{name}.{below}"
    return None


def composed_without(key: str, arguments: list[str]) -> tuple[Any, dict[str, str]]:
    """The configuration of the other overrides, and group -> option; of none where they are wrong too, or a sweep."""
    from omegaconf import OmegaConf

    from seesaw.config.compose import compose

    others = [
        a for a in arguments if "=" in a and a[0] != "-" and not a.lstrip("+~").startswith(f"{key}=") and "," not in a
    ]
    options = [other for other in others if "." not in other.partition("=")[0]]
    for tried in (others, options, []):  # a second mistake must not hide which options were chosen
        with contextlib.suppress(Exception):
            cfg, choices = compose(tried)
            break
    return OmegaConf.to_container(cfg), choices
