"""What is compared: for each row a plain loop, and the command line that trains the same with seesaw."""

from collections.abc import Callable
from typing import NamedTuple

from loops.dcgan import Classic
from loops.mlp import Tiny
from loops.plain import Loop
from loops.progressive import MSGGANLoop, ProGANLoop


class Row(NamedTuple):
    """`batches` come before the last scale; `shape` of the reals; `steps` of one turn; `turns` a round, more where they are
    short; `bars` of the ratios, by precision."""

    title: str
    plain: Callable[[], Loop]
    overrides: list[str]
    batch: int
    shape: tuple[int, int, int]
    bars: dict[str, float] = {}  # noqa: RUF012 - never written to
    batches: int = 0
    steps: int = 1
    turns: int = 1


SHARED = "model.share_fakes=true"
"""These loops take the latents of D's step in G's step too; running G again for them is what the sharing saves."""
COLOUR = ["data=digits", "data.channels=3"]
WIDTHS = ["model.G.z_dim=128", "model.G.max_width=128", "model.D.max_width=128", "data.resolution=32", "batch_size=16"]
PROGAN = ["model=progan", SHARED, *COLOUR, *WIDTHS, "model.growth.fade=1", "model.growth.stabilise=0"]
TINY = [
    "model=mlp",
    SHARED,
    "model.G.widths=[128,128]",
    "model.G.z_dim=32",
    "model.G.batch_norm=false",
    "model.D.widths=[128,128]",
]

ROWS = {
    "dcgan": Row(
        "DCGAN, 64 px, batch 64",
        Classic,
        ["model=dcgan", SHARED, *COLOUR, "data.resolution=64", "batch_size=64"],
        64,
        (3, 64, 64),
        {"exact": 1.25, "bf16": 2.0},
    ),
    "progan": Row(
        "ProGAN, 32 px, 128 channels, batch 16, WGAN-GP",
        ProGANLoop,
        [*PROGAN, "penalty.wgan_gp.target=750"],
        16,
        (3, 32, 32),
        {"exact": 1.3, "bf16": 2.4},
        1,
    ),
    "progan_r1": Row(
        "ProGAN, 32 px, 128 channels, batch 16, R1",
        lambda: ProGANLoop(penalty="r1"),
        [*PROGAN, "loss=non_saturating", "penalty=r1", "penalty.r1.gamma=10"],
        16,
        (3, 32, 32),
        {"exact": 1.3, "bf16": 2.4},
        1,
    ),
    "msggan": Row(
        "MSG-GAN, 32 px, 128 channels, batch 16, relativistic hinge",
        MSGGANLoop,
        ["experiment=msggan_code", SHARED, *COLOUR, *WIDTHS, "data.flip=false"],
        16,
        (3, 32, 32),
        {"exact": 1.3, "bf16": 2.4},
    ),
    "tiny": Row(
        "a tiny fully connected pair, 16 px, batch 64",
        Tiny,
        [*TINY, "data=digits", "data.resolution=16", "batch_size=64"],
        64,
        (1, 16, 16),
        steps=300,
        turns=3,
    ),
}
