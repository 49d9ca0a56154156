"""Whether a released position was approved where that was asked for, in time, by somebody else."""

from consumers import drafts
from consumers.check.batches import Found
from consumers.items import Position
from contracts.errors import Forbidden

DESK = "desk"


def judge(position: Position, policy: str, *, restored: bool = False) -> Found:
    """*policy* is the unit's present one; what held at intake goes before it.

    *restored*: the publication came out of a backup. What was approved while that was taken may
    have come back as a draft and been approved again, while its release keeps the first moment.
    """
    decision = position.decision
    if position.kind == "withdrawn":
        return
    if decision is None:
        if (position.policy or policy) == DESK:
            yield "unapproved", f"{position.unit} releases by the desk, and nobody decided"
    elif decision.verdict != "approved":
        yield "unapproved", f"{decision.verdict} by {decision.by}"
    elif not restored and (position.released_at is None or decision.at > position.released_at):
        yield "unapproved", f"approved at {decision.at:%Y-%m-%d %H:%M:%S}, after its release"
    elif own(position, decision.by):
        yield "self-approved", f"by {decision.by}"


def own(position: Position, approver: str) -> bool:
    try:
        drafts.check_eyes(position, approver)
    except Forbidden:
        return True
    return False
