"""Augmentations of what D sees. A file of the group `augment` is a mapping of named parts, applied in their order.

`augment=none` is the empty mapping. An augmentation is a subclass of `seesaw.gan.parts.Augmentation`: pyramid to pyramid,
differentiable, with the hooks of a part for time, D's logits and state.
"""

from seesaw.gan.augment.ada import ADA as ADA
from seesaw.gan.augment.diffaugment import DiffAugment as DiffAugment
from seesaw.gan.parts import Augmentation as Augmentation
