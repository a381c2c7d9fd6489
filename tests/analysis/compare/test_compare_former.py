"""Runs that an older version wrote, beside runs of today."""

import copy
import json

import pytest
import yaml
from left_runs import compared, leave, report

from seesaw.analysis.compare import former
from seesaw.analysis.compare.keys import fingerprint
from seesaw.analysis.compare.reading import read_rows

PROTOCOL = "digits (081c68e6d800), …; 64 ema samples against 1797 reals; kernel distance over all samples"

# metrics.csv, config.yaml and choices as commit fe0cea8 wrote them for `model=mlp penalty=r1 penalty.gamma=2
# balance=[ttur,skip_d]`, with fewer rows.
COLUMNS = (
    "kimg,images,updates/G,updates/D,lr/G,images_per_sec,balance/resting,rests/G,rests/D,loss/D,D/r1,D/gradient_penalty,"
    "frechet_digits,kernel_digits,modes_digits,drift"
)
ROWS = f"""{COLUMNS}
10,10000,2,2,0.0001,358.6814,0,0,1,1.887261,0.1,0.2,,,,
20,20000,4,3,0.0001,360,1,0,2,1.5,0.1,0.2,69.23,5.3,7,
30,30000,6,4,0.0001,362,1,0,2,1.4,0.1,0.2,67.9,5.1,9,0.011
"""
CHOICES = {"model": "mlp", "data": "digits", "loss": "non_saturating", "penalty": "r1", "balance": "ttur+skip_d",
           "augment": "none", "schedule": "constant", "metrics": "digits"}  # fmt: skip
PHASE = {"_target_": "seesaw.gan.phases.Phase", "every": 1, "gain": 1.0, "share": 1.0}
ADAM = {
    "_target_": "torch.optim.Adam",
    "_partial_": True,
    "lr": 2e-4,
    "betas": [0.5, 0.999],
    "eps": 1e-8,
    "fused": True,
}
CONSTANT = {"lr": {"_target_": "seesaw.gan.schedules.Constant", "value": 1.0}}
IDENTITY = {"_target_": "seesaw.gan.augment.Identity"}
SKIP_D = {"_target_": "seesaw.gan.balance.SkipD", "by": "loss", "rest_above": 0.6, "wake_below": 0.5,
          "half_life": 1000.0, "longest_rest": 20}  # fmt: skip
BALANCE = {"ttur": {"_target_": "seesaw.gan.balance.TTUR", "G": 0.5, "D": 2.0}, "skip_d": SKIP_D}
REAL, FAKE = {"_target_": "seesaw.gan.terms.CrossEntropyD"}, {"_target_": "seesaw.gan.terms.NonSaturatingG"}
R1 = {"_target_": "seesaw.gan.terms.R1", "gamma": 2}


def as_then(today, **changes):
    """The configuration of a run of today as the base wrote it: with copies under `model`, and former names."""
    made = copy.deepcopy(today)
    model = made["model"]
    phases = {
        "D": PHASE | {"player": "D", "terms": {"r1": R1, "adversarial": REAL}},
        "G": PHASE | {"player": "G", "terms": {"adversarial": FAKE}},
    }
    del model["order"]
    model |= {"phases": phases, "optimizers": {"G": ADAM, "D": ADAM}, "recipe": {"kimg": 150, "batch_size": 64}}
    model |= {"balance": BALANCE, "schedule": CONSTANT, "augment": IDENTITY, "seed": 0, "log_kimg": 1}
    made |= {"penalty": {"gamma": 2}, "loss": {"d": REAL, "g": FAKE}, "balance": BALANCE, "schedule": CONSTANT}
    made |= {"augment": IDENTITY, "data": made["data"] | {"batch_size": 64, "seed": 0, "cache_dir": "c", "level": None}}
    for key in ("labels", "classes"):
        del made["data"][key]
    extractor = made["metrics"]["extractor"]
    made["metrics"] = {"_target_": made["metrics"]["_target_"], "extractor": extractor, "evaluate_kimg": 25, "kimg": 150,
                       "cache_dir": "c", "n": None, "raw": False, "batch_size": 256, "kernel_subsets": None}  # fmt: skip
    for key in ("optimizer", "dynamics", "callbacks", "debug", "packages"):
        del made[key]
    return made | changes


def leave_then(folder, config, choices=CHOICES, rows=ROWS, **status):
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics.csv").write_text(rows)
    noted = {
        "state": "finished",
        "kimg": 30.0,
        "images_shown": 30_000,
        "metric": "frechet_digits",
        "protocol": PROTOCOL,
    }
    (folder / "status.json").write_text(json.dumps(noted | {"choices": choices} | status))


@pytest.fixture
def today(composed):
    return composed("model=mlp", "penalty=r1", "penalty.r1.gamma=2", "balance=[ttur,skip_d]")


@pytest.mark.parametrize(("then", "now"), [
    ("kimg", "kimg"), ("images", "images"), ("loss/D", "train/loss/D"), ("D/adversarial", "train/D/adversarial"),
    ("D/gradient_penalty", "train/D/wgan_gp"), ("D_r1/r1", "train/D_r1/r1"), ("lr/G", "train/lr/G"),
    ("images_per_sec", "train/images_per_sec"), ("iteration", "train/iteration"), ("loss", "train/loss"),
    ("rests/D", "balance/skipped/D"), ("balance/resting", "balance/skipping"), ("balance/advantage", "balance/advantage"),
    ("frechet_digits", "eval/frechet_digits"), ("fid", "eval/fid"), ("drift", "eval/drift"), ("fid_raw", "eval/fid_raw"),
    ("eval/fid", "eval/fid"), ("train/loss/D", "train/loss/D"), ("balance/skipped/D", "balance/skipped/D"),
])  # fmt: skip
def test_columns_have_their_names_of_today(then, now):
    assert former.column(then) == now


def test_rows_are_read_under_the_names_of_today(tmp_path, today):
    leave_then(tmp_path / "a", as_then(today))
    last = read_rows(tmp_path / "a" / "metrics.csv").iloc[-1]
    assert {name: last[name] for name in ("kimg", "train/loss/D", "balance/skipped/D", "eval/frechet_digits")} == {
        "kimg": 30, "train/loss/D": 1.4, "balance/skipped/D": 2, "eval/frechet_digits": 67.9,
    }  # fmt: skip
    assert all(name in ("kimg", "images") or "/" in name for name in last.index)


def test_a_configuration_of_then_equals_the_same_of_today(today):
    found, _ = former.modern(as_then(today), {})
    differing = set(fingerprint(found)) ^ set(fingerprint(today))
    assert differing == set()
    assert former.modern(today, {"a": "b"}) == (today, {"a": "b"})


@pytest.mark.parametrize("change", ["gamma", "every", "gain", "lr", "rest_above", "kernel_subsets", "term"])
def test_what_was_set_otherwise_is_not_lost(today, change):
    then = as_then(today)
    phase = then["model"]["phases"]["D"]
    if change == "gamma":
        phase["terms"]["r1"] = R1 | {"gamma": 3}
    elif change in ("every", "gain"):
        phase[change] = 4
    elif change == "lr":
        then["model"]["optimizers"] = {"G": ADAM, "D": ADAM | {"lr": 1e-3}}
    elif change == "rest_above":
        then["balance"] = BALANCE | {"skip_d": SKIP_D | {"rest_above": 0.7}}
    elif change == "kernel_subsets":
        then["metrics"]["kernel_subsets"] = 10
    else:
        phase["terms"]["adversarial"] = {"_target_": "mine.D"}
    found, _ = former.modern(then, {})
    assert "phases" not in found["model"] or change == "gain"  # understood
    assert fingerprint(found) != fingerprint(today)


def test_old_and_new_runs_of_the_same_settings_are_repeats(tmp_path, today):
    leave_then(tmp_path / "then", as_then(today))
    leave(tmp_path / "now", today, [70, 60, 65], protocol=PROTOCOL, metric="frechet_digits",
          choices=CHOICES | {"optimizer": "adam", "dynamics": "alternating", "callbacks": "none", "debug": "none"})  # fmt: skip
    comparison = compared(tmp_path)
    (table,) = comparison.tables
    assert len(table.groups) == 1
    group = table.groups.iloc[0]
    assert (table.metric, comparison.keys, group.counted) == ("eval/frechet_digits", [], 2)
    assert (group.best_low, group.best_high) == (60, 67.9)
    assert group.modes == 6.5  # 9, and 10 - 65 // 10
    text = report(tmp_path)
    assert text.startswith("All have model=mlp data=digits loss=non_saturating penalty=r1 balance=ttur+skip_d.\n")
    for name in ("rests/D", "balance/skipped/D"):  # by its former name too; the run of today had no gate
        assert list(compared(tmp_path / "then", metric=name).tables[0].groups.counted) == [1]


def test_directions_of_then_are_in_the_frozen_table_alone(tmp_path, today):
    leave_then(tmp_path / "then", as_then(today))
    assert compared(tmp_path, metric="modes_digits").tables[0].higher_is_better
    assert not compared(tmp_path, metric="frechet_digits").tables[0].higher_is_better
    leave_then(tmp_path / "other", as_then(today), higher_is_better={"modes_digits": False})
    assert not compared(tmp_path / "other", metric="modes_digits").tables[0].higher_is_better


def test_a_run_of_then_that_has_not_ended_is_shown_by_its_distance(tmp_path, today):
    leave_then(tmp_path / "then", as_then(today), state="running", metric="")
    status = json.loads((tmp_path / "then" / "status.json").read_text())
    del status["metric"], status["protocol"]
    (tmp_path / "then" / "status.json").write_text(json.dumps(status))
    (table,) = compared(tmp_path).tables
    assert list(table.groups["metric"]) == ["eval/frechet_digits"]


def test_what_cannot_be_understood_is_shown_as_it_is(today):
    then = as_then(today)
    del then["model"]["phases"]["G"]
    assert former.modern(then, {}) == (then, {})
    for broken in ({"model": {"recipe": None}}, {"model": {"recipe": {}, "phases": 3}}, {"model": None}, {}):
        assert former.modern(broken, {}) == (broken, {})
