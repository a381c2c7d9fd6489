"""The configurations that compare_with_base.py runs, and what has another name in the base than in the working tree."""

import re
from typing import NamedTuple

Renames = tuple[tuple[str, str], ...]

OVERRIDES: Renames = (
    (r"model\.optimizers\.([GD])\.(.+)", r"optimizer.\1.\2"),
    (r"engine/optimizer@model\.optimizers=(.+)", r"optimizer=\1"),
    (r"model/optimizer=(.+)", r"optimizer=canvas_\1"),
    (r"penalty\.gamma=(.+)", r"penalty.r1.gamma=\1"),
    (r"penalty\.drift=(.+)", r"penalty.drift.weight=\1"),
    (r"penalty\.(weight|target)=(.+)", r"penalty.wgan_gp.\1=\2"),
    (r"balance\.skip_d\.rest_above=(.+)", r"balance.skip_d.skip_above=\1"),
    (r"balance\.skip_d\.wake_below=(.+)", r"balance.skip_d.resume_below=\1"),
    (r"balance\.skip_d\.longest_rest=(.+)", r"balance.skip_d.max_skips=\1"),
    (r"balance\.topk\.least=(.+)", r"balance.topk.min=\1"),
    (r"model\.growth\.hold=(.+)", r"model.growth.stabilise=\1"),
)
"""Pattern of a whole override of the base, and the override of the working tree. What matches none is the same in both."""

COLUMNS: Renames = (
    (r"kimg|images", r"\g<0>"),
    (r"rests/([GD])", r"balance/skipped/\1"),
    (r"balance/resting", "balance/skipping"),
    (r"balance/.+", r"\g<0>"),
    (r"D/gradient_penalty", "train/D/wgan_gp"),
    (r"(loss|lr|updates|grad_norm)/.+", r"train/\g<0>"),
    (r"[GD](_\w+)?/.+", r"train/\g<0>"),
    (r"loss|iteration|size", r"train/\g<0>"),
    (r"(modes|confident|reverse_kl)_(?!gaussians).+", ""),
    (r"drift", ""),  # of the first 36 of 128 fixed latents, whose draw differs from one of 36 in its last values
    (r"(fid|kid|frechet|kernel|modes|confident|high_quality|reverse_kl|mode_kl)(_\w+)?", r"eval/\g<0>"),
)
"""Pattern of a whole column of the base's metrics.csv, and the column of the working tree. The first match counts. An empty
name stands for a metric that another definition has replaced (valid_…, drift), which is left out."""


class Configuration(NamedTuple):
    """One comparison.

    Args:
        base: overrides of the base. A later one replaces an earlier one of the same key.
        new: overrides of the working tree; None: the base's, renamed by `OVERRIDES`.
        nonzero: a column of the base that must not be 0 in every row: the proof that what the comparison is named for happens.
        columns: patterns that go before `COLUMNS`.
    """

    base: tuple[str, ...]
    new: tuple[str, ...] | None = None
    nonzero: str = ""
    columns: Renames = ()


def renamed(name: str, renames: Renames) -> str | None:
    """`name` by the first pattern that matches all of it; None where none does."""
    matches = ((re.fullmatch(pattern, name), replacement) for pattern, replacement in renames)
    return next((match.expand(replacement) for match, replacement in matches if match), None)


def overrides(configuration: Configuration, new: bool) -> list[str]:
    """The command line of the base or of the working tree: each key once, as it was given last."""
    given = configuration.base
    if new:
        given = configuration.new or tuple(renamed(o, OVERRIDES) or o for o in given)
    return list({o.partition("=")[0]: o for o in (*COMMON, *given)}.values())


# 20 batches of 16 images of 16 px, five windows of curves, two evaluations.
COMMON = ("precision=exact", "trainer=cpu", "logger=csv", "sample_kimg=1000", "checkpoint_kimg=1000")
RUN = ("data=digits", "data.resolution=16", "batch_size=16", "kimg=0.32", "log_kimg=0.064", "evaluate_kimg=0.16")
MLP = (*RUN, "model=mlp", "model.G.z_dim=8", "model.G.widths=[16,32]", "model.D.widths=[32,16]")
POINTS = (*RUN, "model=mlp_points", "model.G.widths=[16,16]", "model.D.widths=[16,16]", "data.resolution=1")
DCGAN = (*RUN, "model=dcgan_small", "model.G.width=8", "model.D.width=8")
PLAIN = (*DCGAN, "penalty=none", "model.D.norm=none")  # no BatchNorm in D
WGAN = (*PLAIN, "loss=wasserstein", "penalty=wgan_gp")
SMALL = ("model.G.z_dim=8", *(f"model.{net}.{size}" for net in "GD" for size in ("max_width=8", "base=64")))
PAPERS = {rate: tuple(f"model.optimizers.{player}.lr={rate}" for player in "GD") for rate in ("1e-3", "3e-3")}
"""Learning rates of the papers: those that the small models recommend have changed since."""
# 16 px from image 128
PROGAN = (*RUN, "model=progan_small", *SMALL, "model.growth.fade=64", "model.growth.hold=32", *PAPERS["1e-3"])
MSGGAN = (*RUN, "model=msggan_small", *SMALL, *PAPERS["3e-3"])
AUTHORS = (*RUN, "experiment=msggan_code", *SMALL)
SKIPPING = ("balance.skip_d.rest_above=0.02", "balance.skip_d.wake_below=0.01", "balance.skip_d.half_life=16")
STYLE = (
    "model=style_transfer", "data.content=../../../content.png", "data.style=../../../style.png", "data.size=64",
    "model.scales=2", "kimg=0.02", "log_kimg=0.004",
)  # fmt: skip
LAZY = (  # the working tree has D's lazy phases before G's phase
    "~model.phases.G",
    "+model.phases.D_reg4={_target_:seesaw.gan.phases.Phase,player:D,every:4,gain:4.0,"
    "terms:{r1:{_target_:seesaw.gan.terms.R1,gamma:1.0}}}",
    "+model.phases.G={_target_:seesaw.gan.phases.Phase,player:G,terms:{adversarial:${loss.g}}}",
)

CONFIGURATIONS: dict[str, Configuration] = {
    "mlp": Configuration(MLP),
    "mlp_rmsprop": Configuration((*MLP, "engine/optimizer@model.optimizers=rmsprop", "data.flip=true")),
    "mlp_points_ring": Configuration((*POINTS, "data=gaussians_ring", "penalty.gamma=0.4"), nonzero="D/r1"),
    "mlp_points_grid": Configuration((*POINTS, "data=gaussians_grid", "schedule=constant")),
    "dcgan": Configuration(DCGAN, nonzero="D/r1"),
    "dcgan_rates": Configuration(
        (*DCGAN, "schedule=linear", "model.optimizers.G.lr=3e-4", "model.optimizers.D.lr=6e-4")
    ),
    "dcgan_plateau": Configuration(
        (*DCGAN, "schedule=plateau", "schedule.lr.patience=1", "evaluate_kimg=0.032", "metrics.raw=true"),
        nonzero="frechet_digits_raw",
    ),
    "dcgan_share_fakes": Configuration((*DCGAN, "model.share_fakes=true", "data.channels=3")),
    "dcgan_micro_batches": Configuration((*DCGAN, "model.micro_batch=6")),
    "dcgan_least_squares_r2": Configuration((*DCGAN, "loss=least_squares", "penalty=r2"), nonzero="D/r2"),
    "dcgan_minimax": Configuration((*PLAIN, "loss=minimax")),
    "dcgan_relativistic_hinge": Configuration((*PLAIN, "loss=relativistic_hinge")),
    "dcgan_spectral_hinge": Configuration((*PLAIN, "loss=hinge", "model.D.spectral_norm=true")),
    "dcgan_rpgan_r1_r2": Configuration((*PLAIN, "loss=rpgan", "penalty=r1_r2", "penalty.gamma=0.3"), nonzero="D/r2"),
    "dcgan_wgan_gp": Configuration((*WGAN, "penalty.weight=5", "penalty.drift=0.01"), nonzero="D/drift"),
    "dcgan_wgan_lp": Configuration(
        (*WGAN, "penalty=wgan_lp", "penalty.target=0.01"),
        (*WGAN, "penalty=wgan_lp", "penalty.wgan_lp.target=0.01"),
        nonzero="D/gradient_penalty",
        columns=((r"D/gradient_penalty", "train/D/wgan_lp"),),
    ),
    "dcgan_lazy_r1": Configuration(
        (*PLAIN, *LAZY),
        (*PLAIN, "penalty=r1", "penalty.r1.gamma=1.0", "penalty.r1.interval=4"),
        nonzero="D_reg4/r1",
    ),
    "pac": Configuration((*DCGAN, "balance=pac")),
    "ttur": Configuration((*DCGAN, "balance=ttur")),
    "skip_d": Configuration((*DCGAN, "balance=skip_d", *SKIPPING, "balance.skip_d.longest_rest=3"), nonzero="rests/D"),
    "n_critic": Configuration((*WGAN, "balance=n_critic", "balance.n_critic.n=3"), nonzero="rests/G"),
    "change_rate": Configuration((*WGAN, "balance=change_rate"), nonzero="rests/G"),
    "gap_aware": Configuration((*DCGAN, "balance=gap_aware"), nonzero="balance/gap"),
    "lecam": Configuration((*PLAIN, "balance=lecam", "balance.lecam.start_kimg=0.05"), nonzero="D/lecam"),
    "topk": Configuration((*DCGAN, "balance=topk", "balance.topk.epoch_kimg=0.008", "balance.topk.least=0.3")),
    "instance_noise": Configuration((*DCGAN, "balance=instance_noise"), nonzero="balance/noise_std"),
    "label_smoothing": Configuration((*DCGAN, "balance=label_smoothing")),
    "three_balances": Configuration(
        (*DCGAN, "balance=[ttur,skip_d,instance_noise]", *SKIPPING, "balance.skip_d.by=accuracy"), nonzero="rests/D"
    ),
    "progan": Configuration(PROGAN, nonzero="D/drift"),
    # Packing under a gradient penalty is left out: the base drew a place between reals and fakes for each image, and not, as
    # it documents, one for each pack. The working tree does what is documented.
    "progan_pac_micro_batches": Configuration(
        (*PROGAN, "penalty=r1", "balance=pac", "model.micro_batch=8"), nonzero="D/r1"
    ),
    "progan_batch_sizes": Configuration(  # batches of 64 images up to 32 px, of 32 at 64 px: from image 448
        (*PROGAN, "data.resolution=64", "batch_size=64", "model.growth.hold=64", "kimg=0.8", "metrics=none")
    ),
    "msggan": Configuration(MSGGAN, nonzero="D/gradient_penalty"),
    "msggan_code": Configuration(  # its average has since been that of the authors' code
        AUTHORS, (*AUTHORS, "model.ema_half_life=13860.0", "model.ema_ramp=0.05")
    ),
    "msggan_noise": Configuration((*MSGGAN, "balance=instance_noise"), nonzero="balance/noise_std"),
    "msggan_pac": Configuration((*MSGGAN, "penalty=r1", "balance=[pac,ttur]"), nonzero="D/r1"),
    "two_processes": Configuration((*PLAIN, "penalty=r1", "balance=skip_d", "trainer.devices=2"), nonzero="D/r1"),
    "style_adam": Configuration(STYLE, nonzero="loss/style"),
    "style_lbfgs": Configuration(
        (*STYLE, "model/optimizer=lbfgs", "model/style=gram", "model.start=noise"), nonzero="loss/style"
    ),
}
