"""Exponential moving averages measured in images."""


def ema_decay(images: int, half_life: float, images_shown: int, ramp: float | None = 0.05) -> float:
    """The weight of the old average after `images` more reals: 0.5 ** (images / half-life). A half-life of 0 keeps nothing.

    Args:
        images: reals since the last time.
        half_life: in images.
        images_shown: reals so far, those included.
        ramp: the half-life is at most this part of `images_shown`, so that the first, untrained generators are forgotten: 0.05
            in the code of StyleGAN2-ADA (Karras et al. 2020), in its configurations `auto` and `cifar` alone. None: no such
            limit, as in the code of StyleGAN2, ProGAN and MSG-GAN.
    """
    if ramp is not None:
        half_life = min(half_life, ramp * images_shown)
    return 0.5 ** (images / half_life) if half_life > 0 else 0.0
