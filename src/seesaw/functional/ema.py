"""Exponential moving averages measured in images."""


def ema_decay(images: int, half_life: float, images_shown: int, ramp: float = 0.05) -> float:
    """The weight of the old average after `images` more reals: 0.5 ** (images / half-life).

    Karras et al. 2020 (ADA), appendix: the half-life is at most `ramp` of the images shown so far, so that the first,
    untrained generators are forgotten. A half-life of 0 keeps nothing.
    """
    half_life = min(half_life, ramp * images_shown)
    return 0.5 ** (images / half_life) if half_life > 0 else 0.0
