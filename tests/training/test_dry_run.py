"""What the first step would refuse is found before it, and only that."""

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from toys import fit

from seesaw.errors import Notice, UserError
from seesaw.training import dry_run
from seesaw.training.build import build, notice_growth, notice_parts
from seesaw.training.dry_run import check_optimizers, check_step

Composed = Callable[..., dict[str, Any]]
SMALL = ("data.resolution=16", "batch_size=8")

REFUSED = [
    ("model=dcgan model.G.width=4 model.D.channels=3", r"^model\.D: .*, for images of 1x16x16: leave its channels, resolution"),
    ("model=mlp model.D.resolution=32", r"^model\.D: .*, for images of 1x16x16"),
    ("model=dcgan model.D.width=4 model.G.channels=3", r"^model\.G gives images of 3x16x16, and the reals are 1x16x16: leave"),
    ("model=msggan_small model.G.resolution=32", r"gives images of .*1x32x32, and the reals are 1x4x4 \+ 1x8x8 \+ 1x16x16"),
    ("model=mlp batch_size=1", r"^model\.G with 1 images: BatchNorm takes more than one sample a pass; give a larger batch_size"),
    ("model=mlp model.micro_batch=1", r"^model\.G with 1 images: .* or model\.micro_batch"),
    ("model=mlp batch_size=9 model.micro_batch=4", r"^model\.G with 1 images: BatchNorm takes more than one sample"),
    ("model=mlp batch_size=10 model.micro_batch=4 balance=pac balance.pac.m=4", "packs 4 images, .* has 2"),
    ("model=mlp balance=pac balance.pac.m=3", "packs 3 images, and a pass through D has 8"),
    ("model=mlp penalty=[r1,path_length]", r"^phase G_reg4: penalty=path_length needs a generator with intermediate latents w"),
]  # fmt: skip


@pytest.mark.parametrize(("overrides", "sentence"), REFUSED, ids=lambda text: text[:40])
def test_what_the_first_step_refuses_is_refused_before_it(
    overrides: str, sentence: str, composed_once: Composed
) -> None:
    gan, data = build(composed_once(*SMALL, *overrides.split()))
    with pytest.raises(UserError, match=sentence):
        check_step(gan, data, devices=1)
    reals = data.prepare().gather(torch.arange(16))
    with pytest.raises((RuntimeError, ValueError, UserError)):
        fit(gan, 1, size=data.batch_size, reals=reals)


def test_every_scale_is_played_and_its_shapes_are_given(composed_once: Composed) -> None:
    """A batch of 6 at the middle scale alone does not pack by 4."""
    small = (
        "model=progan_small",
        "data.resolution=16",
        "batch_size=8",
        "model.growth.fade=16",
        "model.growth.stabilise=16",
    )
    assert check_step(*build(composed_once(*small)), devices=1) == [
        "from 0 kimg: 8 a pass, z 64 -> G -> 1x4x4 -> D",
        "from 0.016 kimg: 8 a pass, z 64 -> G -> 1x8x8 -> D",
        "from 0.048 kimg: 8 a pass, z 64 -> G -> 1x16x16 -> D",
    ]
    gan, data = build(
        composed_once(*small, "balance=pac", "balance.pac.m=4", "model.growth.batch_sizes={4:8,8:6,16:4}")
    )
    with pytest.raises(UserError, match="packs 4 images, and a pass through D has 6"):
        check_step(gan, data, devices=1)


def test_the_share_of_one_device_is_tried(composed_once: Composed) -> None:
    gan, data = build(composed_once(*SMALL, "model=mlp", "balance=pac", "balance.pac.m=4"))
    check_step(gan, data, devices=2)
    with pytest.raises(UserError, match="packs 4 images, and a pass through D has 2"):
        check_step(gan, data, devices=4)


@pytest.mark.parametrize(
    "overrides",
    [
        "model=dcgan model.D.norm=none model.D.spectral_norm=true balance=[pac,instance_noise] penalty=wgan_gp",
        "model=progan_small balance=[lecam,pac] model.micro_batch=2 precision=exact",
        "model=dcgan_small model.share_fakes=true balance=topk",
        "model=mlp penalty=r1 penalty.r1.interval=16 dynamics=simultaneous penalty.r1.gamma={shape:linear,start:1,end:2}",
    ],
)
def test_trying_costs_shapes_alone_and_leaves_the_model_and_the_randomness_as_they_are(
    overrides: str, composed_once: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices: list[str] = []
    play = dry_run._play_scales
    monkeypatch.setattr(dry_run, "_play_scales", lambda *given: (play(*given), devices.append(given[-1]))[0])
    gan, data = build(composed_once(*SMALL, *overrides.split()))
    before = {name: value.clone() for name, value in gan.state_dict().items() if torch.is_tensor(value)}
    at, state = gan.growth.at if gan.growth.last_change else None, torch.get_rng_state()
    check_step(gan, data, devices=1)
    assert devices == ["meta"]
    assert torch.equal(torch.get_rng_state(), state)
    assert at == (gan.growth.at if at else None)
    for name, value in gan.state_dict().items():
        if torch.is_tensor(value):
            assert torch.equal(value, before[name])
    assert all(p.grad is None and p.requires_grad for p in (*gan.G.parameters(), *gan.D.parameters()))
    fit(gan, 1, size=8, reals=data.prepare().gather(torch.arange(16)))


def test_what_fails_without_numbers_is_tried_with_them(
    composed_once: Composed, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(model: Any) -> Any:
        raise RuntimeError("Invalid dimensions")

    monkeypatch.setattr(dry_run, "_ghost", fails)
    gan, data = build(composed_once(*SMALL, "model=mlp", "balance=instance_noise"))
    before, state = [p.detach().clone() for p in gan.parameters()], torch.get_rng_state()
    check_step(gan, data, devices=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(p, was) and p.grad is None for p, was in zip(gan.parameters(), before, strict=True))
    wrong, data = build(composed_once(*SMALL, "model=mlp", "model.D.channels=3"))
    with pytest.raises(UserError, match=r"^model\.D: "):
        check_step(wrong, data, devices=1)
    for error in (NotImplementedError("no kernel"), RuntimeError("unknown device type")):
        monkeypatch.setattr(dry_run, "_ghost", lambda model, error=error: (_ for _ in ()).throw(error))
        check_step(wrong, data, devices=1)  # an error that is not about shapes


@pytest.mark.parametrize(
    ("overrides", "sentence"),
    [
        ("optimizer.D.lr=-1", r"^optimizer\.D\.lr: -1 is out of range; give at least 0$"),
        ("optimizer.G.betas=[1.5,2]", r"^optimizer\.G\.betas: \[1\.5, 2\] is out of range; give two numbers"),
        ("optimizer.G.eps=-1", r"^optimizer\.G\.eps: -1 is out"),
        ("optimizer=rmsprop optimizer.D.alpha=-2", r"^optimizer\.D\.alpha: -2 is out"),
        ("optimizer=rmsprop +schedule.beta2=0.9", r"^schedule\.beta2: optimizer\.G is RMSprop, which has no betas; leave it out"),
        ("model=style_transfer data.content=a data.style=b optimizer.canvas.lr=-1", r"^optimizer\.canvas\.lr: -1 is out"),
    ],
)  # fmt: skip
def test_an_optimiser_that_cannot_be_made_is_named_by_its_key(
    overrides: str, sentence: str, composed_once: Composed
) -> None:
    with pytest.raises(UserError, match=sentence):
        check_optimizers(composed_once(*overrides.split()))
    for fits in (["optimizer.D.lr=0"], ["+schedule.beta2=0.9"], ["optimizer=rmsprop"], ["optimizer.G.betas=[0,0.99]"]):
        check_optimizers(composed_once(*fits))


def test_a_growing_run_that_ends_before_its_last_scale_gives_a_warning(composed_once: Composed) -> None:
    """At 16 px: 4 px to 10 kimg, 8 px to 30, and 16 px from there, whole at 50."""
    gan, _ = build(composed_once(*SMALL, "model=progan_small"))
    sentence = r"ends at 30 kimg and 8 px: the last scale, 16 px, begins at 30 kimg \(model.growth.last_change\); give kimg=50 "
    with pytest.warns(Notice, match=sentence):
        notice_growth(gan, 30)
    with pytest.warns(Notice, match="ends at 9 kimg and 4 px"):
        notice_growth(gan, 9)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notice_growth(gan, 30.008)
        notice_growth(build(composed_once(*SMALL, "model=mlp"))[0], 1)


def test_points_of_the_plane_are_no_images(composed_once: Composed) -> None:
    for model in ("dcgan", "progan_small"):
        with pytest.raises(UserError, match=r"not 1|is 1;.* points of the plane, for which there is model=mlp_points$"):
            build(composed_once(f"model={model}", "data=gaussians_ring"))


def test_a_run_that_ends_before_lecam_begins_is_noticed(composed_once: Composed) -> None:
    config = composed_once(*SMALL, "model=mlp", "balance=[ttur,lecam]", "kimg=150")
    gan, _ = build(config)
    with pytest.warns(
        Notice, match=r"ends at 150 kimg, and balance\.lecam begins at 200 kimg.*lecam\.start_kimg=18\.75"
    ):
        notice_parts(gan, config)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        notice_parts(gan, config | {"kimg": 201})
