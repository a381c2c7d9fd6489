"""Verdicts on planted copiers."""

import torch
from torch import Tensor

from seesaw.functional.distances import covariance_factor, moments
from seesaw.metrics.certificate import certify
from seesaw.metrics.reference import Reference


def reals(n: int, seed: int) -> Tensor:
    return torch.randn(n, 8, generator=torch.Generator().manual_seed(seed))


def reference(x: Tensor) -> Reference:
    mean, cov = moments(x)
    return Reference(f"{len(x)}", len(x), mean, cov, covariance_factor(cov), x, torch.empty(len(x), 0))


TRAINING, HELD, FRESH = reals(500, 0), reals(150, 1), reals(400, 2)
MIRROR = TRAINING * torch.tensor([-1.0, 1, 1, 1, 1, 1, 1, 1]) + 0.5


def judged(fakes: Tensor, held_out: bool = True) -> tuple[str, list[str]]:
    found = certify(fakes, reference(TRAINING), MIRROR, reference(HELD) if held_out else None)
    return found.state, found.sentences


def test_copies_as_they_are_with_noise_and_mirrored_are_found_and_fresh_reals_are_not_accused() -> None:
    assert judged(FRESH) == ("no sign of copies", judged(FRESH)[1])
    for copies in (TRAINING[:80], TRAINING[:80] + 0.1 * reals(80, 3), MIRROR[:80]):
        state, sentences = judged(torch.cat([copies, FRESH[80:]]))
        assert state == "copies", sentences
    assert judged(TRAINING)[0] == "copies"


def test_without_held_out_images_the_sentence_names_what_cannot_be_told() -> None:
    state, sentences = judged(FRESH, held_out=False)
    assert state == "no sign of copies"
    assert "no images were held out" in sentences[-1]
    assert "data.holdout=0.1" in sentences[-1]
    assert judged(TRAINING[:400], held_out=False)[0] == "copies"


def test_samples_far_from_every_real_leave_it_undecided() -> None:
    state, sentences = judged(FRESH + 30)
    assert state == "undecided"
    assert "too far" in sentences[0]


def test_the_sheet_begins_with_the_nearest_and_names_their_neighbours() -> None:
    fakes = torch.cat([FRESH[:50], MIRROR[7:8], TRAINING[9:10]])
    found = certify(fakes, reference(TRAINING), MIRROR, reference(HELD))
    first = dict(zip(found.order[:2].tolist(), found.neighbour[found.order[:2]].tolist(), strict=True))
    assert first == {50: 7, 51: 9}
    assert found.mirrored[50:].tolist() == [True, False]
