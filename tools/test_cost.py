"""What each test costs in CPU seconds, its child processes included: a plugin for pytest.

    PYTHONPATH=src:tests/support:tools python -m pytest -p test_cost --cost-to costs.jsonl -n 2 -m "not slow" -q
    python tools/test_cost.py costs.jsonl

Wall time on a shared machine depends on what else runs; CPU seconds hardly do. Each process writes its rows to one file: the
import of each test file, the set-up of each fixture, and the three phases of each test. A set-up phase holds the cost of its
fixtures.
"""

import contextlib
import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterator
from os import listdir
from pathlib import Path
from typing import Any

import pytest


def cpu_seconds() -> float:
    """User and system time of this process, of the children that it waited for, and of those that still run (on Linux)."""
    return sum(os.times()[:4]) + sum(map(_of_running, _children("self")))


def _children(process: int | str) -> list[int]:
    """Not by pathlib: tests put other functions in the place of those that it calls."""
    found = []
    with contextlib.suppress(OSError):
        for thread in listdir(f"/proc/{process}/task"):
            with contextlib.suppress(OSError), open(f"/proc/{process}/task/{thread}/children", encoding="ascii") as file:
                found += [int(number) for number in file.read().split()]
    return found


def _of_running(process: int) -> float:
    """Of a process and of all that descend from it."""
    try:
        with open(f"/proc/{process}/stat", encoding="utf-8") as file:
            fields = file.read().rpartition(")")[2].split()
    except OSError:
        return 0.0  # it has just ended
    return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK") + sum(map(_of_running, _children(process)))


class Costs:
    """Appends one row per thing measured, each by one write. The file is opened once: a test may be another user for a while."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("ab", buffering=0)

    def write(self, kind: str, name: str, began: float) -> None:
        self.file.write(json.dumps([kind, name, round(cpu_seconds() - began, 4)]).encode() + b"\n")

    @pytest.hookimpl(wrapper=True)
    def pytest_make_collect_report(self, collector: pytest.Collector) -> Iterator[Any]:
        began = cpu_seconds()
        report = yield
        if isinstance(collector, pytest.Module):
            self.write("collect", collector.nodeid, began)
        return report

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, fixturedef: Any, request: Any) -> Iterator[Any]:
        began = cpu_seconds()
        try:
            return (yield)
        finally:  # also of one that fails
            self.write("fixture", f"{fixturedef.baseid or 'conftest'}::{fixturedef.argname}", began)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Iterator[Any]:
        began = cpu_seconds()
        try:
            return (yield)
        finally:  # also of one that fails
            self.write("setup", item.nodeid, began)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Iterator[Any]:
        began = cpu_seconds()
        try:
            return (yield)
        finally:  # also of one that fails
            self.write("call", item.nodeid, began)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> Iterator[Any]:
        began = cpu_seconds()
        try:
            return (yield)
        finally:  # also of one that fails
            self.write("teardown", item.nodeid, began)

    def pytest_sessionfinish(self) -> None:
        self.write("process", os.environ.get("PYTEST_XDIST_WORKER", "main"), 0.0)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--cost-to", type=Path, help="write CPU seconds of tests and fixtures to this file")


def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("--cost-to")
    if path is not None:
        config.pluginmanager.register(Costs(path.absolute()))


def table(rows: list[tuple[str, str, float]], most: int = 60) -> str:
    """The dearest files, fixtures and tests, and the totals of each kind."""
    totals: dict[str, float] = defaultdict(float)
    sums: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in ("file", "fixture", "test")}
    for kind, name, seconds in rows:
        totals[kind] += seconds
        if kind == "fixture":
            sums["fixture"][name].append(seconds)
        elif kind in ("setup", "call", "teardown"):
            sums["test"][name].append(seconds)
            sums["file"][name.partition("::")[0]].append(seconds)
    lines = [f"{kind:10} {seconds:8.1f} s" for kind, seconds in totals.items()]
    for title, group in sums.items():
        lines += ["", f"{title}s by CPU seconds"]
        dearest = sorted(group.items(), key=lambda pair: -sum(pair[1]))[:most]
        lines += [f"{sum(costs):8.2f} {len(costs):5} {name}" for name, costs in dearest]
    return "\n".join(lines)


if __name__ == "__main__":
    print(table([json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]))
