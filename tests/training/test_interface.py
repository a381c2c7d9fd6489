"""Networks, losses, sets and metrics of one's own: what is accepted, and what is refused in a sentence before training."""

import warnings
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from toy_nets import PlainD, PlainG
from toys import fit, losses, plain

from seesaw.data.images import ImageSet
from seesaw.data.module import ImageData
from seesaw.errors import Notice, UserError
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.losses import CrossEntropyD, DiscriminatorLoss
from seesaw.gan.module import GAN
from seesaw.metrics.evaluator import Evaluator
from seesaw.metrics.metric import Metric, named
from seesaw.training.dry_run import check_step
from seesaw.training.interface import notice_range
from seesaw.types import Fake

DATA = SimpleNamespace(channels=1, resolution=8, batch_size=8, batch_size_at=lambda images: 8)


def game(give_G: Any = None, give_D: Any = None, **options: Any) -> GAN:
    """A plain GAN whose players pass what they give through these functions."""

    class OwnG(PlainG):
        def forward(self, z: Tensor, y: Tensor | None = None) -> Any:
            fake = super().forward(z, y)
            return give_G(fake.images[0]) if give_G else fake

    class OwnD(PlainD):
        def forward(self, images: Any, y: Tensor | None = None) -> Any:
            logits = super().forward(images, y)
            return give_D(logits) if give_D else logits

    torch.manual_seed(0)
    G = OwnG() if give_G or not give_D else PlainG()
    return plain(G=options.pop("G", None) or G, D=options.pop("D", None) or OwnD(), **options)


def weights(gan: GAN) -> Tensor:
    return torch.cat([w.flatten() for w in gan.parameters()])


ACCEPTED = {
    "a tensor": (lambda x: x, None),
    "a list": (lambda x: [x], None),
    "a tuple": (lambda x: (x,), None),
    "logits (B, 1)": (None, lambda logits: logits[:, None]),
    "logits (B, 1, 1, 1)": (None, lambda logits: logits[:, None, None, None]),
}


@pytest.mark.parametrize("form", ACCEPTED)
def test_other_forms_of_the_same_train_alike(form: str) -> None:
    usual, other = game(lambda x: Fake([x])), game(*ACCEPTED[form])
    for gan in (usual, other):
        assert check_step(gan, DATA, devices=1) == ["from 0 kimg: 8 a pass, z 5 -> G -> 1x8x8 -> D"]
        fit(gan, 2)
    assert torch.equal(weights(usual), weights(other))
    one, two = (next(iter(gan.sample(8, seed=1))) for gan in (usual, other))
    assert torch.equal(one, two)


class BareG(nn.Module):
    """As many write it: latents to a tensor, and nothing else."""

    z_dim = 5

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(5, 64), nn.Tanh(), nn.Unflatten(1, (1, 8, 8)))

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


class BareD(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))

    def forward(self, images: list[Tensor]) -> Tensor:
        return self.layers(images[-1])


class TensorD(BareD):
    def forward(self, images: Any) -> Tensor:
        return self.layers(images)


class NoLength(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return z


def test_players_without_an_argument_for_labels_train_and_refuse_labels() -> None:
    gan = plain(G=BareG(), D=BareD())
    check_step(gan, DATA, devices=1)
    fit(gan, 2)
    gan.G.classes = gan.classes = 2  # type: ignore[assignment]
    with pytest.raises(UserError, match=r"BareG takes no labels, and data.labels=true .* write forward\(self, z, y=None\)"):
        check_step(gan, DATA, devices=1)


class Scalar(DiscriminatorLoss):
    def forward(self, batch: AdversarialBatch) -> Any:
        return (batch.fake_logits - batch.real_logits).mean()


class Crossed(DiscriminatorLoss):
    def forward(self, batch: AdversarialBatch) -> Any:
        return batch.fake_logits[:, None] - batch.real_logits


class Number(DiscriminatorLoss):
    def forward(self, batch: AdversarialBatch) -> Any:
        return 1.0


REFUSED = [
    (game(lambda x: {"x": x}), r"^model\.G \(.*OwnG\) returned a dict for 8 latents; expected is a Fake, a tensor of images"),
    (game(lambda x: [x, "w"]), r"OwnG\) returned a list of Tensor, str for 8 latents"),
    (game(lambda x: x.flatten(1)), r"OwnG\) returned 1 tensors of shapes \(8, 64\) for 8 latents"),
    (game(lambda x: x[..., :4]), r"OwnG\) gives images of 1x8x4, and the reals are 1x8x8: expected is one image for each scale"),
    (game(lambda x: x.repeat(1, 3, 1, 1)), r"OwnG\) gives images of 3x8x8, and the reals are 1x8x8"),
    (game(lambda x: [x[..., ::2, ::2], x]), r"OwnG\) gives images of 1x4x4 \+ 1x8x8, and the reals are 1x8x8"),
    (game(None, lambda y: y.mean()), r"^model\.D \(.*OwnD\) returned a tensor of shape \(\) for 8 samples; expected is one"),
    (game(None, lambda y: y[:, None, None].repeat(1, 2, 2)), r"OwnD\) returned a tensor of shape \(8, 2, 2\) for 8 samples"),
    (game(None, lambda y: (y, y)), r"OwnD\) returned 2 tensors of shapes \(8,\), \(8,\) for 8 samples"),
    (game(D=TensorD()), r"^model\.D \(.*TensorD\): .*: it takes a list of images, coarse to fine, of 1x8x8, of which"),
    (game(loss=losses(Scalar())), r"^loss\.d \(.*Scalar\) returned a tensor of shape \(\); .*\(8,\): leave out the mean"),
    (game(loss=losses(Crossed())), r"^loss\.d \(.*Crossed\) returned a tensor of shape \(8, 8\); expected is one value a sample"),
    (game(loss=losses(Number())), r"^loss\.d \(.*Number\) returned a float; expected is one value a sample"),
]  # fmt: skip


@pytest.mark.parametrize(("gan", "sentence"), REFUSED, ids=lambda value: value[:50] if isinstance(value, str) else "")
def test_what_does_not_fit_is_named_with_its_class(gan: GAN, sentence: str) -> None:
    with pytest.raises(UserError, match=sentence) as error:
        check_step(gan, DATA, devices=1)
    assert "\n" not in str(error.value)


def test_a_generator_without_the_length_of_its_latents_is_refused() -> None:
    with pytest.raises(ValueError, match=r"NoLength has no z_dim; a generator has the length"):
        plain(G=NoLength())


def test_values_beyond_the_range_of_images_are_noticed() -> None:
    far, state = game(lambda x: x * 1000), torch.get_rng_state()
    with pytest.warns(Notice, match=r"OwnG\) gives values from -\d.* to \d.* for random latents, and images lie in \[-1, 1\]"):
        notice_range(far, 0)
    assert torch.equal(state, torch.get_rng_state())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notice_range(game(torch.tanh), 0)


class Own(ImageData):
    """Gives what it was made with."""

    def __init__(self, found: Any) -> None:
        super().__init__(resolution=8, channels=1, batch_size=4)
        self.found = found

    def load(self) -> Any:
        return self.found() if callable(self.found) else self.found


BYTES = torch.zeros(4, 1, 8, 8, dtype=torch.uint8)
SETS = {
    r"Own.load returned a tensor of shape \(4, 1, 8, 8\); expected is seesaw.data.images.ImageSet": BYTES,
    r"Own.load returned images of 3x8x8, and data.channels and data.resolution promise 1x8x8": lambda: ImageSet(
        BYTES.repeat(1, 3, 1, 1), "own"
    ),
    r"the set own: its images are torch.float32; expected is torch.uint8": lambda: ImageSet(BYTES.float(), "own"),
    r"the set own: its images have shape \(1, 8, 8\); expected is \(N, C, H, W\)": lambda: ImageSet(BYTES[0], "own"),
    r"the set own: it has labels and classes=0": lambda: ImageSet(BYTES, "own", torch.zeros(4, dtype=torch.int64)),
    r"its labels are torch.float32 \(4,\); expected is torch.int64 \(4,\)": lambda: ImageSet(BYTES, "own", torch.zeros(4), 2),
}


@pytest.mark.parametrize("sentence", SETS)
def test_a_set_of_other_shape_or_type_is_refused(sentence: str) -> None:
    with pytest.raises(UserError, match=sentence):
        Own(SETS[sentence]).prepare()
    assert len(Own(ImageSet(BYTES, "own")).prepare()) == 4


class OwnMetric(Metric):
    def __call__(self, *_: Any) -> Any:
        return None


@pytest.mark.parametrize(
    ("given", "words"), [(torch.zeros(3), r"a tensor of shape \(3,\)"), (None, "a NoneType"), ("4", "a str")]
)
def test_a_metric_that_gives_no_number_is_refused(given: Any, words: str) -> None:
    with pytest.raises(UserError, match=rf"metrics.measures.own: .*OwnMetric returned {words} as own; expected is a float"):
        named("own", OwnMetric(), given)
    assert named("own", OwnMetric(), torch.tensor(2.0)) == {"own": 2.0}  # type: ignore[arg-type]


def test_a_metric_of_ones_own_is_tried_before_training() -> None:
    reference = SimpleNamespace(features=torch.zeros(4, 2))
    evaluator: Any = SimpleNamespace(reference=reference, measures={"own": OwnMetric()}, extractor=None, gate=None)
    with pytest.raises(UserError, match=r"metrics.measures.own: .*OwnMetric returned a NoneType as own"):
        Evaluator.try_own(evaluator)


def test_losses_of_seesaw_pass() -> None:
    check_step(game(loss=losses(CrossEntropyD())), DATA, devices=1)
