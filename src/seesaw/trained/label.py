"""Which class a caller means, by number or by name."""

from collections.abc import Sequence

from seesaw.config.values import did_you_mean
from seesaw.errors import UserError


def class_number(chosen: int | str | None, classes: int, names: Sequence[str], option: str = "--class ") -> int | None:
    """The number of the class that is called `chosen`, or has this number. Of a text a name counts first.

    Args:
        chosen: None: no class.
        classes: of the model; 0: it takes no labels.
        names: of the classes; empty where they have none.
        option: what the caller wrote before the class, for the sentence: `--class ` or `label=`.

    Raises:
        UserError: there is no such class, or the model takes no labels.
    """
    if chosen is None:
        return None
    if classes == 0:
        raise UserError(f"{option}{chosen}: this model takes no labels; leave it out, or train with data.labels=true")
    if isinstance(chosen, str) and chosen in names:
        return list(names).index(chosen)
    if str(chosen).isdecimal() and int(chosen) < classes:
        return int(chosen)
    more = did_you_mean(str(chosen), names) if names else ""
    raise UserError(f"{option}{chosen}: there is no such class; give a number from 0 to {classes - 1}{more}")
