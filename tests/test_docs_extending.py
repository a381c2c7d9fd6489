"""docs/extending.md: what it quotes is what tests/extension holds, and the dynamics that stands there alone trains."""

import csv
import re
from pathlib import Path

import pytest
import torch

from seesaw.cli import train as entry
from seesaw.training.build import build
from seesaw.training.preflight import compose_checked

ROOT = Path(__file__).parents[1]
OWN = ROOT / "tests" / "extension"
BLOCK = re.compile(r"```(?:python|yaml)\n# (?P<path>\S+)\n(?P<text>.*?)```", re.DOTALL)
QUOTED = {match["path"]: match["text"] for match in BLOCK.finditer((ROOT / "docs" / "extending.md").read_text())}
"""File name -> the lines that the page quotes of it."""
ALONE = {"own_gan/dynamics.py", "conf/dynamics/extra_gradient.yaml"}
"""What the page holds and tests/extension does not."""


@pytest.mark.parametrize("path", sorted(set(QUOTED) - ALONE))
def test_the_page_quotes_the_working_example(path: str) -> None:
    assert QUOTED[path] in (OWN / path).read_text()


def test_every_kind_of_extension_is_shown() -> None:
    files = {str(path.relative_to(OWN)) for path in OWN.rglob("*") if path.suffix in (".py", ".yaml")}
    assert set(QUOTED) - ALONE == files - {"own_gan/__init__.py"}


SMALL = [
    "model=mlp", "model.G.widths=[8]", "model.D.widths=[8]", "model.G.batch_norm=false", "data.resolution=8",
    "batch_size=16", "kimg=0.016", "log_kimg=0.016", "metrics=none", "logger=csv", "trainer=cpu", "precision=exact",
    "optimizer=sgd", "optimizer.G.lr=0.05", "optimizer.D.lr=0.05",
]  # fmt: skip


def weights(state: dict[str, torch.Tensor]) -> torch.Tensor:
    return torch.cat([state[name].flatten() for name in sorted(state) if name.startswith("G.")])


def train(folder: Path, dynamics: str) -> tuple[torch.Tensor, dict[str, str]]:
    """G's weights and the last row of metrics.csv after one batch."""
    own = ["--config-dir", str(folder / "conf"), "packages=[docs_gan]", f"dynamics={dynamics}", f"run_dir={dynamics}"]
    assert entry.main([*own, *SMALL]) == 0
    kept = torch.load(Path(dynamics) / "checkpoints" / "last.ckpt", weights_only=True)["state_dict"]
    with open(Path(dynamics) / "metrics.csv") as file:
        return weights(kept), list(csv.DictReader(file))[-1]


def test_the_dynamics_of_the_page_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another package name than own_gan, which other tests import from elsewhere."""
    package, conf = tmp_path / "docs_gan", tmp_path / "conf" / "dynamics"
    package.mkdir()
    conf.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "dynamics.py").write_text(QUOTED["own_gan/dynamics.py"])
    node = QUOTED["conf/dynamics/extra_gradient.yaml"].replace("own_gan", "docs_gan")
    (conf / "extra_gradient.yaml").write_text(node)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(tmp_path)
    start = weights(build(compose_checked(SMALL))[0].state_dict())
    usual, _ = train(tmp_path, "simultaneous")
    ahead, row = train(tmp_path, "extra_gradient")
    assert float(row["train/updates/D"]) == float(row["train/updates/G"]) == 2  # the look-ahead and the step
    # One step from the start, not two, with slightly other gradients.
    assert 0 < (ahead - usual).norm() < 0.5 * (usual - start).norm()
