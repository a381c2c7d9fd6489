"""Rules about training itself: numbers that grow, a player that wins, nothing that moves."""

import math

from seesaw.monitor.history import History
from seesaw.monitor.rule import Finding, Rule, check_factors, check_shares
from seesaw.monitor.samples import clear

ACCURACY = "train/D/accuracy"
"""D's accuracy: of single logits, or for a relativistic or Wasserstein loss of pairs of a real and a fake; 0.5 at equilibrium."""
NORMS = {"G": "train/grad_norm/G", "D": "train/grad_norm/D"}
REALS, FAKES = LOGITS = ("train/D/logits_real", "train/D/logits_fake")


class Diverging(Rule):
    """Losses, logits or gradients grow without end.

    A Wasserstein critic's loss has no scale, so growth is measured against the run's own median, and the bound on logits is one
    that no loss with a scale comes near.

    Args:
        growth: of a gradient norm or a loss over its median so far.
        logits: mean size of D's logits.
    """

    state = "diverging"
    advice = "a lower learning rate for both players (optimizer.G.lr, optimizer.D.lr), penalty=r1, or precision=exact"

    def __init__(self, growth: float = 100.0, logits: float = 1000.0) -> None:
        check_factors(growth=growth, logits=logits)
        self.growth, self.logits = growth, logits

    def __call__(self, history: History) -> Finding | None:
        size = max(abs(history.now(name)) for name in LOGITS)
        if size > self.logits:
            return Finding(f"D's logits have a mean of {size:.3g}, and below {self.logits:g} is usual", early=True)
        for name in (*NORMS.values(), "train/loss/D", "train/loss/G", "train/loss/model"):
            now, usual = abs(history.now(name)), abs(history.median(name))
            if now > self.growth * usual > 0:
                return Finding(
                    f"{name.removeprefix('train/')} is {now:.3g}, {now / usual:.0f} times its median of {usual:.3g}"
                )
        return None


class Relapsed(Rule):
    """A run loses what it had won: its distance is worse than at the first evaluation, though it had come down a long way; or its
    coverage is gone, and with it the quality, or else `ModeDropping` would have found it.

    Args:
        beyond: how far above its first value, as a part of what it had come down.
        half: the distance must have come down to this part of its first value before.
        lost: of the coverage, or where it is not measured of the share of modes: what is left of the best that two evaluations
            in a row had reached.
        floor: that best, from which on a fall counts.
    """

    state = "diverging"
    advice = "a lower learning rate from an earlier checkpoint on, schedule=cosine, penalty=r1 or its gamma higher"

    def __init__(self, beyond: float = 0.2, half: float = 0.5, lost: float = 0.6, floor: float = 0.3) -> None:
        if not beyond >= 0:
            raise ValueError(f"beyond is {beyond}; it must be at least 0")
        check_shares(half=half, lost=lost, floor=floor)
        self.beyond, self.half, self.lost, self.floor = beyond, half, lost, floor

    def __call__(self, history: History) -> Finding | None:
        first, least, now = history.first("distance"), history.least("distance"), history.now("distance")
        if 0 < least < self.half * first and now > first + self.beyond * (first - least):
            return Finding(f"the distance is {now:.3g}, above its first value of {first:.3g}, though it had reached {least:.3g}")
        name, words = ("coverage",) * 2 if history.series("coverage") else ("mode_share", "the share of modes found")
        left, best = history.now(name), history.held(name)
        if history.grown and best >= self.floor and left < self.lost * best:
            gone = f"{words} fell from {best:.2f} to {left:.2f}"
            return Finding(f"{gone}, and the distance is {now:.3g}: the run loses what it had won")
        return None


class DDominates(Rule):
    """D judges almost all rightly, and G has nothing to learn from it.

    A strong D is no fault while the distance falls: a Wasserstein critic and D of the relativistic losses are right about almost
    every pair in a healthy run. So the accuracy alone never counts.

    Args:
        accuracy: of D, from which on it is called saturated.
        vanished: a gradient (D's at its input, or G's own) over its largest value so far, from which on down it has vanished.
        still: share of the run so far in which the distance did not improve.
        gain: what counts as an improvement, as a part of the distance.
        coverage: of the reals, below which the distance is called bad where it is measured.
    """

    state = "d_dominates"
    advice = (
        "a weaker D: optimizer.D.lr lower, penalty=r1 or its gamma higher, balance=skip_d, model.D.spectral_norm=true, "
        "and with few images augment=ada"
    )

    def __init__(
        self,
        accuracy: float = 0.97,
        vanished: float = 0.01,
        still: float = 0.5,
        gain: float = 0.02,
        coverage: float = 0.3,
    ) -> None:
        check_shares(accuracy=accuracy, vanished=vanished, still=still, gain=gain, coverage=coverage)
        self.accuracy, self.vanished, self.still, self.gain, self.coverage = accuracy, vanished, still, gain, coverage

    def __call__(self, history: History) -> Finding | None:
        accuracy = history.now(ACCURACY)
        if not accuracy >= self.accuracy or not bad(history, self.coverage):
            return None
        what = f"D is right about {accuracy:.1%} of what it sees"
        for name, words in (("input_gradient", "its gradient at G's images"), (NORMS["G"], "G's gradient")):
            now, most = history.now(name), history.most(name)
            if now <= self.vanished * most:
                return Finding(f"{what}, and {words} fell to {now:.2g} from {most:.2g}")
        if not history.improving(self.still, self.gain):
            now = history.now("distance")
            return Finding(f"{what}, and the distance ({now:.3g}) has not improved for {self.still:.0%} of the run")
        return None


class GDominates(Rule):
    """D cannot tell samples from reals, and not because they are alike: it does not learn.

    At the equilibrium of a healthy run D is at chance too, so the samples must be bad at the same time.

    Args:
        fooled: accuracy of D, up to which it takes samples for reals and reals for samples: at once with bad samples.
        beaten: evaluations in a row at which D's mean logit of samples was above that of reals, while the samples are bad. A
            D that learns turns that round within some steps, and at equilibrium the samples are good; so it counts early.
        accuracy: of D, up to which it is at chance: where the distance stands still too.
        dead: D's gradient norm over its largest value so far, up to which D is dead, unless it is right: nothing is left to
            learn then either.
        right: accuracy of D above which it is right.
        faint: D's gradient at G's images over its largest value so far, up to which a D at chance leads G nowhere, where coverage
            is low.
        flat: likewise, whatever the samples are: G learns nothing more.
        still: share of the run so far in which the distance did not improve.
        gain: what counts as an improvement, as a part of the distance.
        coverage: of the reals, below which the distance is called bad where it is measured.
    """

    state = "g_dominates"
    advice = (
        "a stronger D: optimizer.D.lr higher, a weaker penalty (penalty.r1.gamma lower), balance=n_critic, a wider D, and a "
        "look at model.freeze_d"
    )

    def __init__(
        self,
        fooled: float = 0.4,
        beaten: int = 3,
        accuracy: float = 0.55,
        dead: float = 1e-4,
        right: float = 0.8,
        faint: float = 0.1,
        flat: float = 0.02,
        still: float = 0.5,
        gain: float = 0.02,
        coverage: float = 0.3,
    ) -> None:
        check_shares(fooled=fooled, accuracy=accuracy, dead=dead, right=right, still=still, gain=gain, coverage=coverage)
        check_shares(faint=faint, flat=flat)
        if beaten < 1:
            raise ValueError(f"beaten is {beaten}; it must be at least 1")
        self.fooled, self.beaten, self.accuracy, self.dead, self.right = fooled, beaten, accuracy, dead, right
        self.faint, self.flat = faint, flat
        self.still, self.gain, self.coverage = still, gain, coverage

    def __call__(self, history: History) -> Finding | None:
        accuracy, norm, most = history.now(ACCURACY), history.now(NORMS["D"]), history.most(NORMS["D"])
        if norm <= self.dead * most and not accuracy > self.right:
            return Finding(f"D has stopped to learn: its gradient norm is {norm:.2g}, and was {most:.2g}")
        if history.above(FAKES, REALS, self.beaten) and surely_bad(history, self.coverage):
            fakes, reals = history.now(FAKES), history.now(REALS)
            what = f"D ranks samples above reals (mean logits {fakes:.2g} and {reals:.2g})"
            return Finding(f"{what} at {self.beaten} evaluations in a row, and the samples are bad", early=True)
        if not accuracy <= self.accuracy or not history.grown:
            return None
        slope, steepest = history.now("input_gradient"), history.most("input_gradient")
        if slope <= (self.faint if history.covered < self.coverage else self.flat) * steepest:
            what = f"D is right about {accuracy:.0%} of what it sees, no more than by chance"
            return Finding(f"{what}, and its gradient at G's images fell from {steepest:.2g} to {slope:.2g}")
        if not bad(history, self.coverage):
            return None
        if accuracy <= self.fooled:
            return Finding(f"D is right about {accuracy:.0%} of what it sees, less than by chance, and the samples are bad")
        if not history.improving(self.still, self.gain):
            now = history.now("distance")
            return Finding(
                f"D is right about {accuracy:.0%} of what it sees, no more than by chance, though the distance is {now:.3g} and "
                f"has not improved for {self.still:.0%} of the run"
            )
        return None


class Stalled(Rule):
    """Nothing moves: the images of fixed latents stay as they are, while the distance is still bad.

    At the end of a learning-rate schedule nothing moves either, but there the distance is good. A pace below which a G would get
    nowhere in its whole run is not asked for: such a bound called 6 of 30 held-out healthy runs stalled (docs/monitor.md).

    Args:
        drift: over its largest value so far, up to which nothing moves.
        coverage: of the reals, below which the distance is called bad where it is measured.
    """

    state = "stalled"
    advice = "a higher learning rate (optimizer.G.lr), another schedule, and a look at what keeps G from its steps (balance)"

    def __init__(self, drift: float = 1e-4, coverage: float = 0.3) -> None:
        check_shares(drift=drift, coverage=coverage)
        self.drift, self.coverage = drift, coverage

    def __call__(self, history: History) -> Finding | None:
        now, most = history.now("drift"), history.most("drift")
        if now == 0 or (now <= self.drift * most and bad(history, self.coverage)):
            by = "not at all" if now == 0 else f"by {now:.2g}, and {most:.2g} at most before"
            sure = history.series("drift")[-2:] == [0.0, 0.0]
            return Finding(f"the images of fixed latents moved {by}; the distance is {history.now('distance'):.3g}", sure)
        return None


class NoProgress(Rule):
    """Late in a run the samples are bad and the distance stands still, whatever the players do: what no other rule explains. Only
    where coverage or the share of modes is measured, since a distance alone has no scale.

    Args:
        late: share of the run's length from which on that counts: short runs learn late.
        still: share of the run so far in which the distance did not improve.
        gain: what counts as an improvement, as a part of the distance.
        coverage: of the reals, and share of modes, below which the samples are bad.
    """

    state = "stalled"
    advice = "other learning rates, mostly lower ones (optimizer.G.lr, optimizer.D.lr), penalty=r1, or the model's own recipe"

    def __init__(self, late: float = 0.75, still: float = 0.6, gain: float = 0.02, coverage: float = 0.15) -> None:
        check_shares(late=late, still=still, gain=gain, coverage=coverage)
        self.late, self.still, self.gain, self.coverage = late, still, gain, coverage

    def __call__(self, history: History) -> Finding | None:
        if history.records[-1].images < self.late * history.length or history.improving(self.still, self.gain):
            return None
        if not surely_bad(history, self.coverage):
            return None
        now = history.now("distance")
        return Finding(f"the distance ({now:.3g}) is far from good, and has not improved for {self.still:.0%} of the run")


FAR, LOST = 0.4, 1.5
"""The distance over its first value, and over its least one, above which samples are bad."""


def bad(history: History, coverage: float) -> bool:
    """Whether the samples are far from the reals: the distance has not come down far from its first value, or has lost much of
    what it had won; and so it is by their coverage or the share of modes found, which have a scale, where these are measured.
    Always false before a growing model is whole."""
    known = [value for value in (history.covered, history.now("mode_share")) if not math.isnan(value)]
    return is_far(history) and (not known or max(known) < coverage)


def is_far(history: History) -> bool:
    """Whether the distance is far from good; false before a growing model is whole."""
    now = history.now("distance")
    far = now > FAR * history.first("distance") or now > LOST * history.least("distance")
    return history.grown and far


def surely_bad(history: History, coverage: float) -> bool:
    """`bad` by figures that have a scale, one of which must be measured: a distance alone has none. No mode counts as found where
    most samples are no images of the set, since points scattered about find them all."""
    found = history.now("mode_share") * clear(history)
    known = [value for value in (history.covered, found) if not math.isnan(value)]
    return is_far(history) and bool(known) and max(known) < coverage
