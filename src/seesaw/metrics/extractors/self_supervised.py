"""The features of a network that learned on the reals themselves, for sets without a network of their own."""

import hashlib
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from seesaw.errors import UserError
from seesaw.metrics.clock import in_words
from seesaw.metrics.extractors.base import Frozen
from seesaw.metrics.reference import Reals
from seesaw.metrics.self_supervision import (
    BATCH,
    LEARNING_RATE,
    LEAST,
    RESOLUTION,
    STEPS,
    RotationNet,
    Verdict,
    features,
    judge,
    learn,
    spread,
    to_input,
)
from seesaw.util import atomic_write, is_damaged, locked


class SelfSupervisedExtractor(Frozen):
    """The 64 last hidden features of a network that learned rotations on the reals (`seesaw.metrics.self_supervision`).

    It learns when a run first measures, and is kept in `cache_dir/self_supervised` under a hash of the reals, the recipe and the
    seed. Its distances compare runs on this set by these weights, whose hash is in the protocol, and nothing else: a machine with
    another processor may learn others.

    Args:
        seed: of the weights and of what the network sees.
    """

    name = "self_supervised"
    dim = RotationNet.dim
    resize = f"bilinear antialiased to {RESOLUTION} px, [-1, 1]"

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        self.seed = seed
        self.learned: dict[str, Any] = {}

    @property
    def path(self) -> Path:
        """The file in the cache. UserError before `learn_from`."""
        if not self.learned:
            raise UserError(
                "metrics=self_supervised has not learned on the reals yet; measure a run, whose data it needs"
            )
        return Path(self.learned["path"])

    def learn_from(self, reals: Reals, cache_dir: str | Path) -> None:
        """Take the network of these reals from the cache, or train and test it, which takes up to a minute.

        Several processes may call it at once: one learns, the others wait.

        Raises:
            UserError: there are fewer than 64 reals.
        """
        if len(reals) < LEAST:
            raise UserError(
                f"metrics=self_supervised learns on at least {LEAST} images, and there are {len(reals)}: give metrics=none, or "
                "metrics=efflite0"
            )
        recipe = (reals.identity, len(reals), RESOLUTION, STEPS, BATCH, LEARNING_RATE, self.seed, 1)
        name = hashlib.sha256(repr(recipe).encode()).hexdigest()[:16]
        path = Path(cache_dir).expanduser() / "self_supervised" / f"{name}.pt"
        if self.learned.get("path") == str(path):
            return
        with locked(path.with_suffix(".lock")):
            kept = _read(path) or self._learn(spread(reals), path)
        self.learned = kept | {"path": str(path)}
        for name in ("network", "weights_hash"):  # of the reals before
            self.__dict__.pop(name, None)

    def _learn(self, images: Tensor, path: Path) -> dict[str, Any]:
        print("metrics: a small network learns on the reals, once and up to a minute", flush=True)
        began = time.perf_counter()
        net = learn(to_input(images), self.seed)
        seconds, verdict = time.perf_counter() - began, judge(net, images, self.seed)
        print(f"metrics: learned in {in_words(seconds)}; kernel distances of its test: {verdict.label}", flush=True)
        kept = {"weights": net.state_dict(), "verdict": verdict._asdict()}
        atomic_write(path, lambda file: torch.save(kept, file), "choose another place by cache_dir=…")
        return kept

    def objection(self) -> str:
        """Why the test of the distance failed, see `Verdict.objection`; empty where it passed. Learn first."""
        found = self.learned["verdict"]
        return Verdict(**(found | {"without": tuple(found["without"])})).objection

    def load(self) -> RotationNet:
        _ = self.path
        weights = self.learned["weights"]
        net = RotationNet(weights["body.0.0.weight"].shape[1])
        net.load_state_dict(weights)
        return net

    @cached_property
    def network(self) -> RotationNet:
        return self.load().eval().requires_grad_(False)

    @cached_property
    def weights_hash(self) -> str:
        """The first 12 digits of the SHA-256 of the weights themselves: equal for equal weights, whatever file holds them."""
        _ = self.path
        digest = hashlib.sha256()
        for name, value in sorted(self.learned["weights"].items()):
            digest.update(name.encode() + value.contiguous().numpy().tobytes())
        return digest.hexdigest()[:12]

    def features(self, images: Tensor) -> Tensor:
        return features(self.network, images)


def _read(path: Path) -> dict[str, Any] | None:
    """What the file holds; None where there is none, or it is torn."""
    try:
        if is_damaged(path):
            return None
        kept: dict[str, Any] = torch.load(path, weights_only=True)
    except Exception:  # of bytes that are no file of torch's, almost any error comes
        return None
    return kept if {"weights", "verdict"} <= kept.keys() else None
