"""Rules about the samples: one image again and again, modes left out, copies of the reals."""

import math

from seesaw.monitor.history import History
from seesaw.monitor.rule import Finding, Rule, check_shares

DIVERSITY = (
    "a wider variety: penalty=r1 or its gamma higher, balance=pac, loss=rpgan with penalty=r1_r2, optimizer.G.lr lower"
)


class Collapsed(Rule):
    """Almost all samples are the same few images.

    Args:
        vendi: effective number of different samples over that of the reals, below which they are few.
        duplicates: share of samples that nearly equal another one.
        modes: share of the known modes that is found, where most samples are valid: in noise no mode is found.
        coverage: share of the reals that is covered; one of the three above counts only below it.
        similar: how far the similarity of pairs of samples has gone from that of pairs of reals to 1.
        plunge: what is left of the best coverage that two evaluations in a row had reached, from which on down no second
            evaluation is needed.
        formed: precision that the run must once have reached, where it is measured: samples that never were images are alike
            too, and what holds them back says more. 0: none.
    """

    state = "collapsed"
    advice = f"an earlier checkpoint, and then {DIVERSITY}"

    def __init__(
        self,
        vendi: float = 0.13,
        duplicates: float = 0.9,
        modes: float = 0.25,
        coverage: float = 0.1,
        similar: float = 0.9,
        plunge: float = 0.3,
        formed: float = 0.1,
    ) -> None:
        check_shares(vendi=vendi, duplicates=duplicates, modes=modes, coverage=coverage, similar=similar)
        check_shares(plunge=plunge, formed=formed)
        self.vendi, self.duplicates, self.modes, self.coverage = vendi, duplicates, modes, coverage
        self.similar, self.plunge, self.formed = similar, plunge, formed

    def __call__(self, history: History) -> Finding | None:
        covered = history.covered
        sharp, dense = history.now("precision") >= SHARP, history.now("density") >= SHARP
        beginning = learning(history) and not sharp  # shapeless samples, all alike, are how runs begin; sharp ones never
        if covered >= self.coverage or not history.grown or beginning or history.most("precision") < self.formed:
            return None
        also = "" if math.isnan(covered) else f", and they cover {covered:.0%} of the reals"
        vendi, duplicates, modes = (history.now(name) for name in ("vendi_ratio", "duplicates", "mode_share"))
        plunged = covered < self.plunge * history.held("coverage")
        if duplicates > self.duplicates:
            return Finding(f"{duplicates:.0%} of the samples nearly equal another one{also}", plunged, sharp and dense)
        if vendi < self.vendi:
            return Finding(f"the samples are {vendi:.0%} as varied as the reals (Vendi score){also}", plunged, sharp and dense)
        if modes <= self.modes and clear(history) and not learning(history):
            return Finding(f"{modes:.0%} of the known modes are found{also}")
        pairs, reals = history.now("ms_ssim"), history.now("ms_ssim_reals")
        if pairs > reals + self.similar * (1 - reals):
            return Finding(f"pairs of samples are alike (MS-SSIM {pairs:.2f}; of reals {reals:.2f}){also}")
        return None


SHARP = 0.5
"""Precision, or share of valid samples, from which on most samples are images of the set."""

RECENT, GAIN = 0.5, 0.03
"""Share of the run so far, and part of the distance or share of modes or reals, for `learning`."""


def learning(history: History) -> bool:
    """Whether a run still gets better: then few modes are a beginning and no fault."""
    found = any(history.rising(name, RECENT, GAIN) for name in ("coverage", "mode_share"))
    return found or history.improving(RECENT, GAIN)


def clear(history: History) -> bool:
    """Whether most samples are images of the set, so that modes that are not found are left out and not merely unrecognisable."""
    shares = [history.now(name) for name in ("valid", "precision")]
    return all(math.isnan(share) or share >= SHARP for share in shares)


class ModeDropping(Rule):
    """G leaves out a part of the reals: coverage or variety falls while single images stay good.

    Args:
        fall: of coverage, the Vendi ratio or the share of modes: what is left of the best that two evaluations in a row had
            reached.
        recall: likewise of recall, which swings more: in the default run it halves for a while at a high learning rate.
        floor: that best, from which on a fall counts: less is noise of samples that are bad anyway.
        plunge: likewise, from which on down no second evaluation is needed.
        kept: of the precision, likewise: a precision that falls too is another fault.
        formed: precision from which on a fall counts, where it is measured: samples without form come and go.
        narrow: coverage over precision, below which G is narrow though it never was wider.
        sharp: precision from which on that counts.
        modes: share of the known modes, below which modes are missing.
        alike: share of samples that nearly equal another one, above which G repeats images, of each class of a conditional
            model for instance. few: recall below which that counts, while images are sharp.
    """

    state = "mode_dropping"
    advice = DIVERSITY

    def __init__(
        self,
        fall: float = 0.6,
        recall: float = 0.35,
        floor: float = 0.35,
        plunge: float = 0.3,
        kept: float = 0.8,
        formed: float = 0.15,
        narrow: float = 0.3,
        sharp: float = 0.5,
        modes: float = 0.7,
        alike: float = 0.5,
        few: float = 0.1,
    ) -> None:
        check_shares(fall=fall, recall=recall, floor=floor, plunge=plunge, kept=kept, narrow=narrow, sharp=sharp, modes=modes)
        check_shares(formed=formed, alike=alike, few=few)
        self.alike, self.few = alike, few
        self.floor, self.plunge, self.kept, self.formed = floor, plunge, kept, formed
        self.left = {"coverage": fall, "mode_share": fall, "vendi_ratio": fall, "recall": recall}
        self.narrow, self.sharp, self.modes = narrow, sharp, modes

    def __call__(self, history: History) -> Finding | None:
        return self.fell(history) or self.repeats(history) or self.is_narrow(history)

    def repeats(self, history: History) -> Finding | None:
        """Each kind of images is one image; the number of kinds, and so coverage and variety, may still be right. Copies of
        training images are alike too, and are `Memorising`'s."""
        precision, alike, recall = (history.now(name) for name in ("precision", "duplicates", "recall"))
        if history.now("authentic") < self.formed:
            return None
        if history.grown and precision >= self.sharp and alike > self.alike and recall < self.few:
            return Finding(f"{alike:.0%} of the samples nearly equal another one, and recall is {recall:.2f}: G repeats images")
        return None

    def fell(self, history: History) -> Finding | None:
        """A fall from what the run had reached."""
        precision, before = history.now("precision"), history.held("precision")
        if precision < max(self.kept * before, self.formed):
            return None
        usual = history.median("precision")
        rose = f"rose from {usual:.2f} to {precision:.2f}" if precision > usual else f"is {precision:.2f}"
        sharp = "" if math.isnan(precision) else f" while precision {rose}"
        for name, words in (
            ("coverage", "coverage"),
            ("mode_share", "the share of modes found"),
            ("vendi_ratio", "variety (Vendi score over the reals')"),
            ("recall", "recall"),
        ):
            now, best = history.now(name), history.held(name)
            if best >= self.floor and now < self.left[name] * best:
                text = f"{words} fell from {best:.2f} to {now:.2f}{sharp}: G repeats few images"
                return Finding(text, sure=now < self.plunge * best)
        return None

    def is_narrow(self, history: History) -> Finding | None:
        """Good images of a part of the reals, from the start."""
        if not history.grown or learning(history):
            return None
        precision, modes, covered = history.now("precision"), history.now("mode_share"), history.covered
        if modes < self.modes and clear(history):
            return Finding(f"{modes:.0%} of the known modes are found")
        if precision >= self.sharp and covered < self.narrow * precision:
            return Finding(
                f"coverage is {covered:.2f} though precision is {precision:.2f}: G makes good images of few kinds"
            )
        return None


class Memorising(Rule):
    """Samples are copies of training images, or D has learned these by heart.

    Args:
        authentic: share of samples that are no copies, below which G copies; where images are held out, below which part of
            the held-out images' own share.
        copies: C_T, in standard errors, below which samples lie too near to the training images.
        by_heart: r_v, the part of D's way from samples to training images that lies beyond held-out ones.
    """

    state = "memorising"
    advice = "more images, augment=ada or augment=diffaugment, a smaller D, data.holdout=0.1 to see it, and an earlier checkpoint"

    def __init__(self, authentic: float = 0.4, copies: float = -5.0, by_heart: float = 0.7) -> None:
        check_shares(authentic=authentic, by_heart=by_heart)
        if not copies < 0:
            raise ValueError(f"copies is {copies}; it must be below 0")
        self.authentic, self.copies, self.by_heart = authentic, copies, by_heart

    def __call__(self, history: History) -> Finding | None:
        authentic, reals = history.now("authentic"), history.now("authentic_reals")
        if authentic < self.authentic * (1 if math.isnan(reals) else reals):
            beside = "" if math.isnan(reals) else f", and {1 - reals:.0%} of held-out reals"
            return Finding(f"{1 - authentic:.0%} of the samples lie as near to a training image as copies do{beside}")
        copied = history.now("c_t")
        if copied < self.copies:
            return Finding(f"samples lie nearer to the training images than held-out reals do (C_T {copied:.1f})")
        heart = history.now("r_v")
        if heart > self.by_heart:
            return Finding(
                f"D takes held-out reals for samples: r_v is {heart:.2f}, and 0 where it treats all reals alike"
            )
        return None
