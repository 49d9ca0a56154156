"""Why rows of a batch were in doubt: what explains a copy that a reader may have got twice."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

_MAX_STORED = 6


class DoubtCause(StrEnum):
    """Causes that left rows without an outcome.

    `ENDED`: the worker's process, as its slot's lock proves. `TAKEN_OVER`: a lease that ran out.
    `BUS_SILENT`: the bus took no outcome of the same process in time. `UNANSWERED`: the provider.
    """

    ENDED = "ended"
    TAKEN_OVER = "taken_over"
    BUS_SILENT = "bus_silent"
    UNANSWERED = "unanswered"
    RESTORED = "restored"


@dataclass(frozen=True, slots=True)
class Doubt:
    """One cause: `rows` came into doubt from `at` on.

    `detail`: the worker that had them, or the channel's reason. `seen`: when that worker last wrote
    the batch.
    """

    at: float
    rows: int
    cause: DoubtCause
    detail: str = ""
    seen: float = 0.0


def add(doubts: Sequence[Doubt], new: Doubt) -> tuple[Doubt, ...]:
    """*doubts* and a new one, which is counted with an earlier one of the same cause.

    Later ones than the first few are not kept: the first explain the copies.
    """
    for number, known in enumerate(doubts):
        if (known.cause, known.detail) == (new.cause, new.detail):
            joined = replace(known, rows=known.rows + new.rows)
            return (*doubts[:number], joined, *doubts[number + 1 :])
    return (*doubts, new)[:_MAX_STORED]


def of_takeover(former: str, owner: str) -> tuple[DoubtCause, str]:
    """The cause of a claim by *owner*, and the process that had the batch, by their owner tokens.

    A token is `<slot>#<incarnation>#<lease>`. A slot has a new incarnation only once the lock of
    the earlier process is free: that process has ended.
    """
    process = former.rpartition("#")[0]
    if not owner:
        return DoubtCause.RESTORED, ""
    if process == owner.rpartition("#")[0]:
        return DoubtCause.BUS_SILENT, process
    same_slot = process.partition("#")[0] == owner.partition("#")[0]
    return DoubtCause.ENDED if same_slot else DoubtCause.TAKEN_OVER, process
