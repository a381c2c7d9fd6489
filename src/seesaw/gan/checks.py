"""Checks that end a run with one sentence: options with which nothing would be trained."""

from collections.abc import Mapping

from seesaw.shared.schedules import check_range
from seesaw.types import Schedule, UserError


def check_options(
    micro_batch: int | None,
    log_kimg: float,
    ema_half_life: Schedule,
    ema_ramp: float | None,
    optimizer: Mapping[str, object],
    dynamics: Mapping[str, object] | None,
) -> None:
    """Raise ValueError for options with which nothing would be trained, logged or averaged."""
    if micro_batch is not None and micro_batch < 1:
        raise ValueError(f"micro_batch is {micro_batch}; it must be at least 1, or null for the whole batch")
    if not log_kimg > 0:
        raise ValueError(f"log_kimg is {log_kimg}; it must be above 0")
    check_range("ema_half_life", ema_half_life, least=0)
    if ema_ramp is not None and not 0 < ema_ramp <= 1:
        raise ValueError(f"ema_ramp is {ema_ramp}; it must be above 0 and at most 1, or null for a fixed decay")
    if set(optimizer) != {"G", "D"}:
        raise ValueError(f"optimizer has {', '.join(optimizer) or 'nothing'}; a GAN takes one under G and one under D")
    if dynamics is not None and len(dynamics) != 1:
        raise ValueError(f"dynamics has {', '.join(dynamics) or 'nothing'}; a GAN takes one")


def check_fresh_reals(fresh_reals: bool, share_fakes: bool, classes: int) -> int:
    """The sub-batches that a batch of the data has. Raises UserError where G's step would meet the fakes of other labels than its
    reals have."""
    if fresh_reals and share_fakes and classes:
        raise UserError(
            "model.fresh_reals gives G's step reals with labels of their own, and model.share_fakes the fakes of D's labels: set "
            "one of them to false"
        )
    return 2 if fresh_reals else 1
