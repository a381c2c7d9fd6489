"""Balance strategies: what keeps one player from running away. A file of the group `balance` is a mapping of named parts.

Each is of one kind of `seesaw.gan.parts`: a Gate decides whether a phase is active, an LrScale multiplies a player's learning
rate, a TermPart joins D's loss, an InputTransform changes what D sees, a DiscriminatorWrapper how.
"""

from seesaw.gan.balance.change_rate import ChangeRate as ChangeRate
from seesaw.gan.balance.gap_aware import GapAware as GapAware
from seesaw.gan.balance.instance_noise import InstanceNoise as InstanceNoise
from seesaw.gan.balance.label_smoothing import LabelSmoothing as LabelSmoothing
from seesaw.gan.balance.lecam import LeCam as LeCam
from seesaw.gan.balance.n_critic import NCritic as NCritic
from seesaw.gan.balance.pac import Pac as Pac
from seesaw.gan.balance.skip_d import SkipD as SkipD
from seesaw.gan.balance.topk import TopK as TopK
from seesaw.gan.balance.ttur import TTUR as TTUR
