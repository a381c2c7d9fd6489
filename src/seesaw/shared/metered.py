"""What experiments share that count their figures by a `Meter`: windows, speed, the end of a run, plateaus."""

from collections.abc import Mapping
from typing import Any, ClassVar

from torch import Tensor, nn

from seesaw.experiment import Experiment
from seesaw.shared.finite import ADVICE, check_figures, check_weights
from seesaw.shared.meter import Meter, shown_names
from seesaw.shared.schedules import ScheduleModule
from seesaw.shared.statistics import Report
from seesaw.types import UserError


class Metered(Experiment):
    """An experiment with a `meter`, which the subclass makes. It calls `count_batch` at the end of each batch.

    Attributes:
        advice: what to try where the numbers are not finite: the end of that sentence.
        infinite: names of buffers that are infinite by intention.
    """

    advice: ClassVar[str] = ADVICE
    meter: Meter
    infinite: frozenset[str] = frozenset()

    def current_values(self) -> dict[str, float | Tensor]:
        """Learning rates, scheduled numbers and whatever else is shown as it is at the end of a window."""
        return {}

    def observe_batch(self, report: Report) -> None:
        """Receive the statistics of a batch that was counted with `send`."""

    def count_batch(self, images: int, send: bool = False) -> None:
        """Close a batch of `images` over all processes, which `images_shown` has counted, and report what has arrived.

        Args:
            send: whether this batch's own statistics are sent to the host, for `observe_batch`.
        """
        if self.meter.end_batch(images, self.images_shown, send):
            self.meter.end_window(self.images_shown, self.current_values())
        for report in self.meter.read(self.images_shown):
            if report.kind == "batch":
                self.observe_batch(report)
            else:
                self.report(shown_names(report.values), report.images_shown)
                check_figures(report, self.advice)

    def check_finite(self, nets: Mapping[str, nn.Module]) -> None:
        """Raise UserError where weights or buffers of the nets are not finite; see `seesaw.shared.finite.check_weights`."""
        check_weights(nets, self.images_shown, self.infinite, self.advice)

    def check_labels(self, y: Tensor | None) -> None:
        """Raise UserError where a model with labels gets a batch without them. It reads nothing from the device."""
        if self.classes and y is None:
            raise UserError("this model takes labels, and the batches have none: give data.labels=true")

    def flush_statistics(self, finished: bool = False) -> None:
        """Report what is still in flight at the end of a run, whatever its end was. Of a run that has `finished`, the last window
        too, however short (an interrupted one completes it when it goes on). UserError where a value is not finite."""
        if finished and self.meter.window_images > 0:
            self.meter.end_window(self.images_shown, self.current_values())
        for report in self.meter.read():
            if report.kind == "window":
                self.report(shown_names(report.values), report.images_shown)
                if finished:
                    check_figures(report, self.advice)

    def leave_out_time(self, seconds: float) -> None:
        super().leave_out_time(seconds)
        self.meter.leave_out_time(seconds)

    def observe_primary(self, value: float) -> None:
        for module in self.modules():  # a plateau may stand at any number
            if isinstance(module, ScheduleModule):
                module.observe(value)

    def forget_primary(self) -> None:
        for module in self.modules():
            if isinstance(module, ScheduleModule):
                module.forget()

    def on_train_batch_end(self, *args: Any) -> None:
        self.meter.restart_clock()

    def on_train_start(self) -> None:
        self.meter.start(self.device)
