"""Balance parts: what keeps one player from running away. A file of the group `balance` is a mapping of named parts.

Each part is of one kind (`parts`): a Gate says whether a phase plays, an LrScale multiplies a player's learning rate,
a TermPart joins D's loss, an InputTransform changes what D is shown, a DiscriminatorWrapper how.
"""

from seesaw.gan.balance.change_rate import ChangeRate as ChangeRate
from seesaw.gan.balance.gap_aware import GapAware as GapAware
from seesaw.gan.balance.instance_noise import InstanceNoise as InstanceNoise
from seesaw.gan.balance.label_smoothing import LabelSmoothing as LabelSmoothing
from seesaw.gan.balance.lecam import LeCam as LeCam
from seesaw.gan.balance.n_critic import NCritic as NCritic
from seesaw.gan.balance.pac import Pac as Pac
from seesaw.gan.balance.parts import DiscriminatorWrapper as DiscriminatorWrapper
from seesaw.gan.balance.parts import Gate as Gate
from seesaw.gan.balance.parts import InputTransform as InputTransform
from seesaw.gan.balance.parts import LrScale as LrScale
from seesaw.gan.balance.parts import Part as Part
from seesaw.gan.balance.parts import TermPart as TermPart
from seesaw.gan.balance.skip_d import SkipD as SkipD
from seesaw.gan.balance.topk import TopK as TopK
from seesaw.gan.balance.ttur import TTUR as TTUR
