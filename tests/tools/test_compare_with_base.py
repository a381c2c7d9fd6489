"""The comparison with a base commit: what it calls equal, what it reports, and that its own runs are deterministic."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2] / "tools"))
import base_configurations
import compare_with_base

TOOL = Path(compare_with_base.__file__)

HEADER = "kimg,images,loss/D,D/gradient_penalty,rests/D,images_per_sec,kid"
NEW_HEADER = "kimg,images,train/loss/D,train/D/wgan_gp,balance/skipped/D,train/images_per_sec,eval/kid,eval/fid"
ROWS = ("0.064,64,1.5,0.25,0,1000,", "0.128,128,1.25,0.125,2,1200,0.5")
NEW_ROWS = ("0.064,64,1.5,0.25,0,7,,", "0.128,128,1.25,0.125,2,8,0.5,30")


def weights() -> dict[str, Tensor]:
    """The entries of a small checkpoint, one of them no weight."""
    return {
        "G.body.weight": torch.arange(6.0).reshape(2, 3),
        "G_ema.body.weight": torch.ones(2, 3),
        "D.norm.num_batches_tracked": torch.tensor(20),
        "balance.lecam.mean": torch.tensor(0.5),
    }


def write_run(folder: Path, header: str, rows: tuple[str, ...], state: dict[str, Tensor]) -> Path:
    """A run folder with what the comparison reads."""
    (folder / "checkpoints").mkdir(parents=True)
    torch.save({"state_dict": state}, folder / "checkpoints" / "last.ckpt")
    (folder / "metrics.csv").write_text("\n".join([header, *rows]) + "\n")
    return folder


def compare(
    tmp_path: Path, state: dict[str, Tensor], rows: tuple[str, ...] = NEW_ROWS, header: str = NEW_HEADER
) -> compare_with_base.Result:
    base = write_run(tmp_path / "base", HEADER, ROWS, weights())
    return compare_with_base.compare_runs(base, write_run(tmp_path / "new", header, rows, state))


def test_equal_runs_have_no_difference_under_the_new_names(tmp_path: Path) -> None:
    state = weights() | {"balance.lecam.mean": torch.tensor(0.0)}  # no weight of a player
    result = compare(tmp_path, state)
    assert result.differences == []
    assert result.tensors == 3
    assert result.cells == 11  # two rows of kimg, images, and three values; one distance; no speed
    assert result.only_new == ("eval/fid",)


def test_metrics_that_another_definition_has_replaced_are_left_out(tmp_path: Path) -> None:
    replaced = ("modes_digits", "confident_digits", "reverse_kl_stacked_digits")
    base = write_run(tmp_path / "base", f"{HEADER},{','.join(replaced)}", tuple(f"{row},9,9,9" for row in ROWS), weights())
    new = write_run(tmp_path / "new", NEW_HEADER, NEW_ROWS, weights())
    assert compare_with_base.compare_runs(base, new).differences == []
    assert base_configurations.renamed("modes_gaussians_ring", base_configurations.COLUMNS) == "eval/modes_gaussians_ring"


@pytest.mark.parametrize(
    ("state", "difference"),
    [
        ({"G.body.weight": torch.arange(6.0).reshape(2, 3) + 2**-20}, "tensor G.body.weight differs by up to 9.54e-07"),
        ({"G_ema.body.weight": torch.ones(3, 2)}, "tensor G_ema.body.weight is (3, 2) torch.float32, in the base (2, 3)"),
        ({"D.norm.num_batches_tracked": torch.tensor(20.0)}, "tensor D.norm.num_batches_tracked is () torch.float32"),
        ({"D.head.bias": torch.zeros(1)}, "tensor D.head.bias is not in the base"),
    ],
)  # fmt: skip
def test_a_changed_tensor_is_named(tmp_path: Path, state: dict[str, Tensor], difference: str) -> None:
    (found,) = compare(tmp_path, weights() | state).differences
    assert found.startswith(difference)


def test_a_missing_tensor_is_named(tmp_path: Path) -> None:
    state = weights()
    del state["D.norm.num_batches_tracked"]
    assert compare(tmp_path, state).differences == ["tensor D.norm.num_batches_tracked is missing"]


def test_nan_is_not_equal_to_nan(tmp_path: Path) -> None:
    """A run that diverged on both sides proves nothing."""
    state = {"G.body.weight": torch.tensor([float("nan")])}
    assert compare_with_base.compare_weights(state, state) == (1, "tensor G.body.weight differs by up to nan")


def test_checkpoints_without_weights_are_not_equal() -> None:
    assert compare_with_base.compare_weights({}, {}) == (0, "the base's checkpoint holds no weights")


@pytest.mark.parametrize(
    ("rows", "difference"),
    [
        ((NEW_ROWS[0], NEW_ROWS[1].replace("1.25", "1.2500001")),
         "cell train/loss/D at 128 images is 1.2500001, in the base 1.25"),
        ((NEW_ROWS[0].replace("7,,", "7,0.5,"), NEW_ROWS[1]), "cell eval/kid at 64 images is 0.5, in the base empty"),
        ((NEW_ROWS[0], NEW_ROWS[1].replace("0.5,30", ",30")), "cell eval/kid at 128 images is empty, in the base 0.5"),
        ((NEW_ROWS[1],), "cell kimg at 64 images is empty, in the base 0.064"),
        ((*NEW_ROWS, NEW_ROWS[1].replace("128", "192")), "cell kimg at 192 images is 0.192, in the base empty"),
    ],
)  # fmt: skip
def test_the_first_changed_cell_is_named(tmp_path: Path, rows: tuple[str, ...], difference: str) -> None:
    assert compare(tmp_path, weights(), rows).differences == [difference]


def test_a_missing_column_is_named_beside_the_first_cell(tmp_path: Path) -> None:
    header = NEW_HEADER.replace("train/D/wgan_gp", "train/D/gp")
    rows = (NEW_ROWS[0].replace("1.5", "1.75"), NEW_ROWS[1])
    assert compare(tmp_path, weights(), rows, header).differences == [
        "column train/D/wgan_gp (base: D/gradient_penalty) is missing",
        "cell train/loss/D at 64 images is 1.75, in the base 1.5",
    ]


def test_a_column_without_a_rule_is_reported(tmp_path: Path) -> None:
    base = write_run(tmp_path / "base", "kimg,images,something", ("0.064,64,1",), weights())
    new = write_run(tmp_path / "new", "kimg,images,something", ("0.064,64,1",), weights())
    found = compare_with_base.compare_runs(base, new).differences
    assert found == ["column something of the base has no rule in COLUMNS"]


def test_a_comparison_in_which_nothing_happened_is_reported(tmp_path: Path) -> None:
    base = write_run(tmp_path / "base", HEADER, (ROWS[0],), weights())
    new = write_run(tmp_path / "new", NEW_HEADER, (NEW_ROWS[0],), weights())
    (found,) = compare_with_base.compare_runs(base, new, nonzero="rests/D").differences
    assert found.startswith("the base's column rests/D is 0 in every row")
    assert compare_with_base.compare_runs(base, new, nonzero="loss/D").differences == []


def test_a_later_override_replaces_an_earlier_one_and_names_are_renamed() -> None:
    configuration = base_configurations.Configuration(
        ("batch_size=16", "batch_size=20", "penalty.gamma=2", "model.optimizers.D.lr=1e-3", "model.growth.hold=8")
    )
    common = list(base_configurations.COMMON)
    assert base_configurations.overrides(configuration, new=False) == [
        *common, "batch_size=20", "penalty.gamma=2", "model.optimizers.D.lr=1e-3", "model.growth.hold=8",
    ]  # fmt: skip
    assert base_configurations.overrides(configuration, new=True) == [
        *common, "batch_size=20", "penalty.r1.gamma=2", "optimizer.D.lr=1e-3", "model.growth.stabilise=8",
    ]  # fmt: skip


SCRIPT = """
import json, os, sys
print(json.dumps([os.environ["PYTHONPATH"], "SEESAW_RUN" in os.environ, sys.argv[1:-1]]))
sys.exit(int("fail" in sys.argv))
"""


def fake_side(folder: Path, name: str, identity: str = "") -> compare_with_base.Side:
    """A side whose train.py prints its environment, and fails where it is given `fail`."""
    (folder / name / "checkout").mkdir(parents=True)
    (folder / name / "checkout" / "train.py").write_text(SCRIPT)
    return compare_with_base.Side(name, folder / name, identity)


def test_each_side_runs_its_own_source_and_a_failure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEESAW_RUN", "from outside")
    sides = fake_side(tmp_path, "base"), fake_side(tmp_path, "new")
    (found,) = compare_with_base.train_both("mlp", sides, (["seed=1"], ["fail"]))
    assert found.startswith("the new run failed with exit code 1: [")
    printed = json.loads((tmp_path / "base" / "runs" / "mlp" / "log.txt").read_text())
    assert printed == [str(tmp_path / "base" / "checkout" / "src"), False, ["seed=1"]]


def test_a_kept_run_of_the_base_is_not_repeated_unless_something_changed(tmp_path: Path) -> None:
    sides = fake_side(tmp_path, "base", "commit 1"), fake_side(tmp_path, "new")
    logs = [tmp_path / side / "runs" / "mlp" / "log.txt" for side in ("base", "new")]

    def repeated(sides: tuple[compare_with_base.Side, compare_with_base.Side], base: str) -> list[bool]:
        for log in logs:
            log.write_text("kept")
        assert compare_with_base.train_both("mlp", sides, ([base], ["seed=1"])) == []
        return [log.read_text() != "kept" for log in logs]

    assert compare_with_base.train_both("mlp", sides, (["seed=1"], ["seed=1"])) == []
    assert repeated(sides, "seed=1") == [False, True]
    assert repeated(sides, "seed=2") == [True, True]
    assert repeated((sides[0]._replace(identity="commit 2"), sides[1]), "seed=2") == [True, True]


def test_a_folder_with_other_files_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SystemExit):
        compare_with_base.main(["--keep", str(tmp_path)])
    assert "the folder holds other files; give a new or an empty one" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_package_from_elsewhere_is_refused(tmp_path: Path) -> None:
    """Without a src/ of its own a side would import the package that is installed, and be compared with itself."""
    side = fake_side(tmp_path, "base")
    with pytest.raises(SystemExit, match=r"base: seesaw is imported from .*seesaw/__init__\.py"):
        side.check_import()


@pytest.mark.slow
def test_the_base_is_equal_to_itself(tmp_path: Path) -> None:
    """The real runs, base against base: what this reports as different would be noise."""
    if subprocess.run(
        ["git", "cat-file", "-e", compare_with_base.BASE], cwd=TOOL.parent, capture_output=True
    ).returncode:
        pytest.skip(f"this checkout has no commit {compare_with_base.BASE}")
    names = ["mlp", "progan", "skip_d", "style_adam"]
    command = [
        sys.executable,
        str(TOOL),
        "--self-test",
        "--keep",
        str(tmp_path),
        "--only",
        *names,
    ]
    made = subprocess.run(command, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    assert made.stdout.splitlines()[-1] == "4 of 4 configurations are equal"
