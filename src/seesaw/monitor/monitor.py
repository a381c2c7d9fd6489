"""The monitor: it keeps the history, asks the rules, and changes its verdict only when they insist."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from seesaw.monitor.history import History, Record
from seesaw.monitor.rule import Finding, Rule
from seesaw.monitor.verdict import HEALTHY, STATES, Verdict

Action = Literal["report", "stop", "rollback"]

Remedy = Literal["lower_d_lr", "raise_gamma", "skip_d", "augment"]
"""What a rollback may change: half of D's learning rate, four times the penalties' gamma, D's rests, DiffAugment."""

MEANT, SPEEDS = "train/", "_per_sec"
"""Begins the names of the figures of training that the history keeps, and ends those of speeds: these say nothing of the run, and
would keep a resumed run's state from equalling the unbroken one's."""


class Monitor:
    """Gives a verdict on a run at every evaluation. Not a callback: `seesaw.training.callbacks.monitor` feeds it.

    Others read `last`, the verdict of this moment (None before the first evaluation), and `acts`, which is true from the moment
    at which `on_unhealthy` asks for more than a report. What then happens is the caller's.

    Args:
        rules: by name, the most telling first: the first that finds something decides.
        on_unhealthy: report; stop: end the run once it has been unhealthy for `patience` evaluations in a row; rollback: go
            back to its best checkpoint then, with one of the `remedies`.
        patience: evaluations.
        confirm: evaluations in a row that must agree before the verdict changes, to unhealthy and back.
        warm_up: share of the run's length during which only what no run begins with counts.
        least: evaluations without which only that counts.
        updates: steps of the player that has made most, likewise: nothing can stand still that has hardly begun.
        rollbacks: how often a run goes back, at most; behind that it goes on to its length.
        remedies: in the order in which they are tried, each once; those that the run cannot take are passed over.

    Raises:
        ValueError: a number is out of range.
    """

    def __init__(
        self,
        rules: dict[str, Rule],
        on_unhealthy: Action = "report",
        patience: int = 3,
        confirm: int = 2,
        warm_up: float = 0.1,
        least: int = 3,
        updates: int = 100,
        rollbacks: int = 3,
        remedies: Sequence[Remedy] = ("lower_d_lr", "raise_gamma", "skip_d", "augment"),
    ) -> None:
        for name, number in (("patience", patience), ("confirm", confirm), ("least", least), ("rollbacks", rollbacks)):
            if number < 1:
                raise ValueError(f"{name} is {number}; it must be at least 1")
        if updates < 0:
            raise ValueError(f"updates is {updates}; it must be at least 0")
        if not 0 <= warm_up < 1:
            raise ValueError(f"warm_up is {warm_up}; it must be at least 0 and below 1")
        self.rules, self.on_unhealthy, self.patience = dict(rules), on_unhealthy, patience
        self.confirm, self.warm_up, self.least, self.updates = confirm, warm_up, least, updates
        self.rollbacks, self.remedies = rollbacks, tuple(remedies)
        self.length, self.settled = math.inf, 0
        self.last: Verdict | None = None
        """The verdict of the newest evaluation."""
        self.changes: list[Verdict] = []
        """Each verdict that the run has had, as it was when it began."""
        self.records: list[Record] = []
        self.found: list[str] = []
        """What the rules found at each evaluation, unconfirmed."""
        self.protocol = ""
        self.broken = ""
        """Which figures of training were not finite since the last evaluation."""
        self.sums: dict[str, list[float]] = {}
        """Of the windows since the last evaluation: name -> sum and count."""

    def begin(self, length: float, settled: int = 0) -> None:
        """The run starts, or goes on.

        Args:
            length: in images.
            settled: images at which a growing model is whole.
        """
        self.length, self.settled = length, settled

    def see_window(self, values: Mapping[str, float], images: int) -> None:
        """Receive a row of training, by its logged names. One that is not finite makes the run diverge at once."""
        mine = {name: v for name, v in values.items() if name.startswith(MEANT) and not name.endswith(SPEEDS)}
        bad = [name.removeprefix(MEANT) for name, value in mine.items() if not math.isfinite(value)]
        if bad:
            self.broken = f"{', '.join(bad[:3])} {'is' if len(bad) == 1 else 'are'} not finite"
            self.diverged(self.broken, images)
            return
        for name, value in mine.items():
            total = self.sums.setdefault(name, [0.0, 0.0])
            total[0], total[1] = total[0] + value, total[1] + 1

    def diverged(self, reason: str, images: int) -> None:
        """The run's numbers are not finite any more: the verdict that ends it."""
        advice = next((rule.advice for rule in self.rules.values() if rule.state == "diverging"), "")
        if self.rules and not (self.last and self.last.state == "diverging"):
            self._adopt(Verdict("diverging", reason, advice, images / 1000))

    def observe(self, images: int, evidence: Mapping[str, float], protocol: str = "") -> Verdict:
        """Judge an evaluation.

        Args:
            images: images shown.
            evidence: figures by role.
            protocol: how they were measured: another one than before begins a new history.
        """
        if protocol != self.protocol and self.records:
            self.records, self.found = [], []
        self.protocol = protocol
        windows = {name: total / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        self.records.append(Record(images, {**windows, **evidence}))
        self._judge(images, *self._first(History(self.records, self.length, self.settled)))
        self.broken = ""
        assert self.last is not None
        return self.last

    def _first(self, history: History) -> tuple[Finding | None, Rule | None]:
        """The finding of the first rule that has one."""
        early = history.records[-1].images <= self.warm_up * self.length if math.isfinite(self.length) else False
        early |= len(history.records) < self.least or history.updates < self.updates
        for rule in self.rules.values():
            broken = self.broken and rule.state == "diverging"
            finding = Finding(self.broken, sure=True) if broken else rule(history)
            if finding is not None and (finding.sure or finding.early or not early):
                return finding, rule
        return (Finding("there is too little to go by yet") if early else None), None

    def _judge(self, images: int, finding: Finding | None, rule: Rule | None) -> None:
        state = rule.state if rule else "warming_up" if finding else "healthy"
        reason, advice = finding.reason if finding else "no rule finds anything", rule.advice if rule else ""
        self.found.append(state)
        last = self.last
        if last is None or state == last.state or (finding and finding.sure) or self._confirmed(last.state, state):
            if last is not None and last.state == state:
                self.last = Verdict(state, reason, advice, last.since_kimg)
            elif last is None and rule and not (finding and finding.sure):
                self._adopt(Verdict("warming_up", "there is too little to go by yet", "", images / 1000))
            else:
                self._adopt(Verdict(state, reason, advice, self._since(state)))

    def _confirmed(self, before: str, state: str) -> bool:
        """Whether enough evaluations in a row speak for the change."""
        if state in HEALTHY and before == "warming_up":
            return True
        recent = self.found[-self.confirm :]
        if len(recent) < self.confirm:
            return False
        if before in HEALTHY or state in HEALTHY:
            return all((one in HEALTHY) == (state in HEALTHY) for one in recent)
        return all(one == state for one in recent)

    def _since(self, state: str) -> float:
        """Thousands of images at the first evaluation of those in a row that speak for the state; any unhealthy one speaks
        against a healthy verdict, and none but its own for a change between two faults."""
        first = len(self.found) - 1
        exact = self.last is not None and self.last.unhealthy and state not in HEALTHY
        while first and self.found[first - 1] != "warming_up":
            before = self.found[first - 1]
            if before != state and (exact or (before in HEALTHY) != (state in HEALTHY)):
                break
            first -= 1
        return self.records[first].images / 1000

    def _adopt(self, verdict: Verdict) -> None:
        self.last = verdict
        self.changes.append(verdict)

    @property
    def unhealthy_for(self) -> int:
        """Evaluations in a row, up to the newest, that gave an unhealthy verdict; counted from its first finding."""
        if self.last is None or not self.last.unhealthy:
            return 0
        count = 0
        for state in reversed(self.found):
            if state in HEALTHY:
                break
            count += 1
        return count

    @property
    def acts(self) -> bool:
        """Whether more than a report is due: the run has been unhealthy for `patience` evaluations."""
        return self.on_unhealthy != "report" and self.unhealthy_for >= self.patience

    def state_dict(self) -> dict[str, Any]:
        """All that the next verdict depends on, plain."""
        return {
            "records": [[record.images, dict(record.values)] for record in self.records],
            "found": list(self.found),
            "changes": [verdict.status() for verdict in self.changes],
            "last": None if self.last is None else self.last.status(),
            "protocol": self.protocol,
            "broken": self.broken,
            "sums": {name: list(total) for name, total in self.sums.items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore it."""
        self.records = [Record(images, dict(values)) for images, values in state["records"]]
        self.found, self.protocol = [one for one in state["found"] if one in STATES], state["protocol"]
        self.broken = state["broken"]
        self.changes = [Verdict(**verdict) for verdict in state["changes"]]
        self.last = None if state["last"] is None else Verdict(**state["last"])
        self.sums = {name: list(total) for name, total in state["sums"].items()}


class NoMonitor(Monitor):
    """Gives no verdict."""

    def __init__(self) -> None:
        super().__init__({})
