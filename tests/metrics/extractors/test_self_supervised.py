"""Features that are learned on the reals: their test, their cache, and runs that measure by them."""

import warnings
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from shipped import evaluator

from seesaw.data.images import ImageSet
from seesaw.data.sources.digits import digits
from seesaw.errors import Notice, UserError
from seesaw.metrics import auto, self_supervision
from seesaw.metrics.auto import Choice
from seesaw.metrics.extractors import self_supervised
from seesaw.metrics.extractors.self_supervised import SelfSupervisedExtractor
from seesaw.metrics.self_supervision import RotationNet, Verdict, clusters, judge, learn, to_input
from seesaw.training.preflight import choose_auto_metrics, compose_checked


@pytest.fixture(scope="module")
def reals() -> ImageSet:
    """Some real digits."""
    return ImageSet(digits(16).gather(torch.arange(160)), "digits")


@pytest.fixture
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if few steps of learning were the recipe."""
    monkeypatch.setattr(self_supervised, "learn", partial(learn, steps=3))


def test_learning_is_deterministic_and_moves_no_global_generator(reals: ImageSet) -> None:
    x, state = to_input(reals.images), torch.get_rng_state()
    one, other, third = (learn(x, seed, steps=2).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not torch.equal(one["head.weight"], third["head.weight"])
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.slow
def test_it_learns_to_name_rotations_and_passes_its_test_on_digits() -> None:
    reals = digits(32).images
    x = to_input(reals)
    net = learn(x[:1500])
    with torch.no_grad():
        right = [(net(x[1500:].rot90(k, (2, 3))).argmax(1) == k).float().mean().item() for k in range(4)]
    assert sum(right) / 4 > 0.7  # of images that it has not seen; guessing gives 0.25, and some digits look the same turned
    assert judge(net, reals).objection == ""


def test_the_test_objects_to_features_that_see_nothing(reals: ImageSet) -> None:
    net = RotationNet().eval()
    torch.nn.init.zeros_(net.hidden[0].weight)  # type: ignore[arg-type]
    found = judge(net, reals.images)
    assert found.half == found.noise == 0
    assert "does not rise" in found.objection


def test_the_verdict_asks_for_both_rankings() -> None:
    assert Verdict(0.1, 0.2, 0.9, (0.1, 0.2, 0.3, 0.4)).objection == ""
    assert (
        "half of the reals, blurred reals and noise lie at 0.1, 0.9, 0.2"
        in Verdict(0.1, 0.9, 0.2, (0.1, 0.2)).objection
    )
    assert "half of the reals" in Verdict(0.3, 0.2, 0.9, (0.3, 0.4)).objection
    text = Verdict(0.1, 0.2, 0.9, (0.1, 0.3, 0.2, 0.4)).objection
    assert text == "without 0, 2, 4, 6 of 8 clusters the reals lie at 0.1, 0.3, 0.2, 0.4, which does not rise"


def test_clusters_are_groups_of_like_images() -> None:
    """Eight colours, each a cluster of its own."""
    colours = torch.tensor([[r, g, b] for r in (20, 230) for g in (20, 230) for b in (20, 230)], dtype=torch.uint8)
    images = colours.repeat(6, 1)[:, :, None, None].expand(-1, -1, 16, 16)
    found = clusters(images, 0)
    assert sorted(found[:8].tolist()) == list(range(8))
    assert torch.equal(found, found[:8].repeat(6))


@pytest.mark.usefixtures("_quick")
def test_it_learns_once_for_a_set_and_anew_for_another_or_a_torn_file(
    reals: ImageSet, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = SelfSupervisedExtractor()
    one.learn_from(reals, tmp_path)
    (file,) = (tmp_path / "self_supervised").glob("*.pt")
    content = file.read_bytes()
    monkeypatch.setattr(self_supervised, "learn", lambda *args: pytest.fail("learned again"))
    other = SelfSupervisedExtractor()
    other.learn_from(reals, tmp_path)
    assert other.weights_hash == one.weights_hash
    assert torch.equal(other(reals.images), one(reals.images))
    monkeypatch.setattr(self_supervised, "learn", partial(learn, steps=3))
    another = SelfSupervisedExtractor()
    another.learn_from(ImageSet(255 - reals.images, "inverse"), tmp_path)
    assert another.weights_hash != one.weights_hash
    file.write_bytes(content[:200])
    again = SelfSupervisedExtractor()
    again.learn_from(reals, tmp_path)
    assert again.weights_hash == one.weights_hash


@pytest.mark.usefixtures("_quick")
def test_it_measures_with_its_weights_in_the_protocol(reals: ImageSet, tmp_path: Path) -> None:
    extractor = SelfSupervisedExtractor()
    measuring = evaluator("self_supervised", extractor, n=40)
    with pytest.raises(UserError, match="has not learned on the reals yet"):
        extractor.prepare(torch.device("cpu"))
    measuring.prepare(reals, tmp_path)
    noise = torch.randint(256, (40, 1, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    far, near = (measuring.evaluate([x], 40) for x in (noise, reals.images))
    assert far.values["kernel_self_supervised"] > near.values["kernel_self_supervised"]
    assert near.protocol.label().startswith(f"self_supervised ({extractor.weights_hash}), bilinear antialiased to 32 px")


@pytest.mark.usefixtures("_quick")
def test_of_sixteen_bits_it_learns_the_upper_eight(reals: ImageSet, tmp_path: Path) -> None:
    deep = ImageSet((reals.images.to(torch.int32) * 257).to(torch.uint16), "deep")
    one, other = SelfSupervisedExtractor(), SelfSupervisedExtractor()
    one.learn_from(reals, tmp_path)
    other.learn_from(deep, tmp_path)
    assert other.weights_hash == one.weights_hash
    assert other.learned["verdict"] == one.learned["verdict"]


def test_few_images_are_refused(reals: ImageSet, tmp_path: Path) -> None:
    few = ImageSet(reals.images[:63], "few")
    with pytest.raises(UserError, match=r"learns on at least 64 images, and there are 63: give metrics=none"):
        SelfSupervisedExtractor().learn_from(few, tmp_path)


RUN = ["data=digits", "data.resolution=16", "model.G.width=4", "model.D.width=4"]


@pytest.mark.usefixtures("_quick")
@pytest.mark.parametrize("accepted", [True, False])
def test_auto_ends_with_it_and_falls_back_to_nothing_with_one_warning(
    accepted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = Verdict(0.1, 0.2 if accepted else 0.05, 0.9, (0.1, 0.2, 0.3, 0.4))
    monkeypatch.setattr(self_supervised, "judge", lambda *args: verdict)
    monkeypatch.setattr(auto, "choose", lambda channels: Choice("self_supervised", "chosen"))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        config: Any = compose_checked([*RUN, "metrics=auto", f"cache_dir={tmp_path}"], choose_auto_metrics)
    texts = [str(w.message) for w in caught if issubclass(w.category, Notice)]
    if accepted:
        assert config["metrics"]["primary"] == "kernel_self_supervised"
        assert texts == []
    else:
        assert config["metrics"]["_target_"].endswith("NoMetrics")
        assert len(texts) == 1
        assert "half of the reals, blurred reals and noise lie at 0.1, 0.05, 0.9" in texts[0]
    assert self_supervision.LEAST == 64
