"""The fault campaign itself: that it counts, that it fails where a case fails, and that its judges see what they look for."""

import json
import random
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import fault_campaign
import pytest
import torch
from faults import attacks, disks, kills, trackers
from faults.processes import Case, Ended, pictures
from small_disks import can_mount
from tiny_run import tiny_run


def gives(*cases: Case) -> fault_campaign.Part:
    def part(scratch: Path, count: int, draw: random.Random) -> Iterator[Case]:
        assert scratch.is_dir()
        yield from cases

    return part


GOOD, BAD = Case("a", (), "seesaw a", {"kills": 2}), Case("b", ("lost a row",), "seesaw b", {"kills": 1, "signals": 1})


def test_a_case_that_fails_fails_the_campaign_and_is_kept_with_its_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fault_campaign, "PARTS", {"kills": (gives(GOOD, BAD), 50), "disks": (gives(GOOD), 12)})
    monkeypatch.setattr(fault_campaign, "prepare", lambda: None)
    out = tmp_path / "result.json"
    assert fault_campaign.main(["disks", "--out", str(out)]) == 0
    assert fault_campaign.main(["--seed", "3", "--out", str(out)]) == 1
    result = json.loads(out.read_text(encoding="utf-8"))
    assert list(result) == ["kills", "disks"]
    entry = result["kills"]
    assert (entry["counts"], entry["failed"], entry["seed"]) == ({"kills": 3, "signals": 1}, 1, 3)
    assert entry["failures"] == [{"case": "b", "problems": ["lost a row"], "command": "seesaw b"}]
    assert {"date", "commit", "machine"} <= entry.keys()
    printed = capsys.readouterr().out
    assert "FAILED b: lost a row\n       seesaw b" in printed
    assert "3 kills, 1 signals" in printed


def test_an_unknown_part_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        fault_campaign.main(["kill"])
    assert "there is no part 'kill'; allowed are kills, trackers, disks, inputs, attacks" in capsys.readouterr().err


@pytest.mark.parametrize(("ended", "word"), [
    (Ended(1, "", "seesaw: kimg: -1 is out of range\n"), None),
    (Ended(-9, "", ""), "exit code -9"),
    (Ended(1, "", "Traceback (most recent call last):\n"), "Traceback"),
    (Ended(1, "", "seesaw: unexpected KeyError\n"), "unexpected"),
    (Ended(1, "", "KeyError\n"), "no sentence"),
    (Ended(-9, "", "", hung=True), "it hung"),
])  # fmt: skip
def test_bad_ends_are_seen(ended: Ended, word: str | None) -> None:
    problems = ended.problems(1, sentence=True)
    assert problems == [] if word is None else any(text.startswith(word) for text in problems)


def test_what_differs_from_the_unbroken_run_is_seen(tmp_path: Path) -> None:
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    checkpoint = tiny_run(whole)
    (whole / "metrics.csv").write_text(
        "kimg,images,train/loss/D,train/images_per_sec\n0.016,16,1,5\n", encoding="utf-8"
    )
    shutil.copytree(whole, cut)
    (cut / "metrics.csv").write_text("kimg,images,train/loss/D,train/images_per_sec\n0.016,16,1,7\n", encoding="utf-8")
    assert kills.differences(whole, cut) == []
    (cut / "metrics.csv").write_text("kimg,images,train/loss/D\n0.016,16,2\n", encoding="utf-8")
    (cut / ".status.tmp7.json").touch()
    content = torch.load(checkpoint, weights_only=True)
    name = next(
        name for name, value in content["state_dict"].items() if isinstance(value, torch.Tensor) and value.numel() > 1
    )
    content["state_dict"][name].view(-1)[0] += 1
    torch.save(content, cut / "checkpoints/last.ckpt")
    first, second, third = kills.differences(whole, cut)
    assert first == f"last.ckpt: .state_dict.{name} differs"
    assert second == "metrics.csv differs: at 16 ['train/loss/D']"
    assert third == ".status.tmp7.json was left"


def test_a_success_of_an_attack_is_seen(tmp_path: Path) -> None:
    (tmp_path / "whole/run").mkdir(parents=True)
    site = attacks.prepared(tmp_path, 0, tmp_path, random.Random(0))
    before = attacks.state(site.outside)
    assert attacks.harm(site, before, "seesaw: refused") == []
    (site.here / "run/MARK").touch()
    (site.outside / "folder/.kept.tmp1.txt").unlink()
    (site.outside / "new").touch()
    (site.here / "compare.html").write_text(attacks.SCRIPT, encoding="utf-8")
    assert len(attacks.harm(site, before, f"{attacks.ESCAPE} touched")) == 6


def test_the_cases_are_many_and_of_all_families(tmp_path: Path) -> None:
    assert len(attacks.attacks()) >= 60
    assert len(disks.PLACES) >= 12
    assert len(trackers.LAID) >= 12
    families = " ".join(kills.variants())
    names = ("mlp", "dcgan_small", "progan_small", "msggan_small", "stylegan2_small", "style_transfer", "balance=lecam")
    for family in names:
        assert family in families


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["mlp", "progan_small", "style_transfer"])
def test_a_run_that_is_killed_goes_on_bit_for_bit(variant: str, tmp_path: Path) -> None:
    case = kills.Kills(tmp_path, pictures(tmp_path / "images"), random.Random(variant)).run(variant, 0)
    assert case.problems == ()
    assert case.counts["runs"] == 1


@pytest.mark.slow
@pytest.mark.parametrize("part", ["disks", "attacks"])
def test_the_first_cases_of_a_part_hold(part: str, tmp_path: Path) -> None:
    if part == "disks" and not can_mount():
        pytest.skip("a small file system takes root")
    cases = fault_campaign.PARTS[part][0](tmp_path, 6, random.Random(0))
    assert {case.name: case.problems for case, _ in zip(cases, range(6), strict=False) if case.problems} == {}


def test_signals_that_leave_a_wrong_status_are_seen(tmp_path: Path) -> None:
    (tmp_path / "status.json").write_text('{"state": "running", "pid": 7}', encoding="utf-8")
    assert kills.after(tmp_path, Ended(143, "", "", pid=7), signal.SIGTERM) == ["the status is running"]
    assert kills.after(tmp_path, Ended(143, "", "", pid=8), signal.SIGTERM) == []  # an earlier attempt's, by SIGKILL
    assert kills.after(tmp_path, Ended(1, "", "", pid=8), signal.SIGTERM) != []
