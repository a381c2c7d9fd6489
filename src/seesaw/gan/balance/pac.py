"""D judges several images at once."""

from torch import Tensor

from seesaw.gan.parts import DiscriminatorWrapper
from seesaw.types import Pyramid, UserError


class Pac(DiscriminatorWrapper):
    """Packing (Lin et al. 2018, PacGAN, section 3): D takes `m` images, all real or all generated, stacked along channels.

    D gives one logit a pack; only its first layer widens, to m times the channels (`model.D.pack`, which the model files take
    from here). Images that lack variety stand beside each other and give themselves away. A penalty on the gradient takes its
    norm over the pack. Couples the samples of a pack.

    Deviation: the paper keeps the number of packs, so its batches hold m times as many images. Here a batch keeps its images,
    as under every other strategy, and gives B / m packs; `batch_size` can be raised.

    Args:
        m: images in a pack, at least 1; the paper takes 2 to 4. Every forward pass of D must hold a multiple of it.
    """

    def __init__(self, m: int = 2) -> None:
        super().__init__()
        if m < 1:
            raise ValueError(f"m is {m}; it must be at least 1")
        self.m = self.pack = m

    def forward(self, images: Pyramid, y: Tensor | None) -> tuple[Pyramid, Tensor | None]:
        """(B, C, H, W) each to (B / m, m C, H, W), neighbours together; labels (B,) to (B / m, m).

        Raises:
            UserError: B does not divide by m.
        """
        if len(images[-1]) % self.m:
            raise UserError(
                f"balance=pac packs {self.m} images, and a pass through D has {len(images[-1])}; "
                "batch_size and model.micro_batch must divide by balance.pac.m"
            )
        packs = [x.reshape(len(x) // self.m, -1, *x.shape[2:]) for x in images]
        return packs, None if y is None else y.reshape(-1, self.m)
