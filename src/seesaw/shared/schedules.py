"""What every schedule of images shown is, and the checks of numbers that may be scheduled. The shapes are in
`seesaw.gan.schedules`, under the names that configurations and checkpoints have for them."""

import math

from torch import nn

from seesaw.types import Schedule


def check_range(
    name: str,
    value: Schedule,
    least: float = -math.inf,
    above: float = -math.inf,
    below: float = math.inf,
    most: float = math.inf,
) -> None:
    """Raise ValueError where a number, or an end of a schedule, is not finite, under `least`, or not above `above` and under
    `below`, or over `most`."""
    numbers = value.extremes() if isinstance(value, ScheduleModule) else (value,) if not callable(value) else ()
    for number in numbers:
        if not (math.isfinite(number) and number >= least and above < number < below and number <= most):
            bound = (
                f"at least {least:g}" if least > -math.inf else f"above {above:g}" if above > -math.inf else "finite"
            )
            bound += (
                f" and below {below:g}" if below < math.inf else f" and at most {most:g}" if most < math.inf else ""
            )
            raise ValueError(f"{name} is {number}; it must be {bound}")


class ScheduleModule(nn.Module):
    """A schedule that may have a state, which is saved with the model. The base watches no metric."""

    needs_metric = False

    def observe(self, value: float) -> None:
        """Receive each new value of the primary metric, lower is better."""

    def forget(self) -> None:
        """The values to come do not compare with those before."""

    def extremes(self) -> tuple[float, ...]:
        """The values between which it moves, for range checks."""
        return ()


def find_schedules(*owners: nn.Module) -> dict[str, ScheduleModule]:
    """Every scheduled number of the modules below the owners, by its place: "r1.gamma"."""
    found = ((name, module) for owner in owners for name, module in owner.named_modules() if name)
    return {name: module for name, module in found if isinstance(module, ScheduleModule)}
