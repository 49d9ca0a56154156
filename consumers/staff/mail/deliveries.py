"""The delivery of a published revision: told once, if it failed for some of its recipients."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta

from consumers.staff.mail.item_history import HistoryEntry, MailRules, Mails
from consumers.staff.mail.outbox import Sending
from contracts.delivery import ChannelName, PlanKey
from contracts.desk.shown.text_times import time_of
from contracts.desk.staff_mail import StaffMailKind
from contracts.editorial import ActionKind
from contracts.trace import StatusCounts

Counts = Callable[[PlanKey], Awaitable[StatusCounts | None]]
"""Counts the rows of one revision on one channel; None before it is planned."""
_LONGEST = timedelta(days=7)
_OUT = (StaffMailKind.PUBLISHED, StaffMailKind.CORRECTED)


def begun_sending(
    content_id: str, entry: HistoryEntry, history: Sequence[HistoryEntry]
) -> Sending | None:
    """The deliveries that begin with an act; None for one that publishes nothing of a person."""
    action = entry.action
    if action.kind is not ActionKind.PUBLISH or not entry.notices:
        return None
    before = [one.state for one in history if one.seq < entry.seq]
    text = before[-1].approved.get(action.revision) if before else None
    data = text.data if text else {}
    named, begins = data.get("channels"), time_of(data, "not_before")
    known = [name for name in ChannelName if not named or name in named]
    return Sending(
        content_id=content_id,
        revision=action.revision,
        act=action.digest,
        channels=tuple(known),
        until=max(filter(None, (action.at, begins))) + _LONGEST,
    )


async def count_all(sending: Sending, counts: Counts) -> StatusCounts:
    """The rows of a revision on all its channels; complete when each of them is."""
    plans = [PlanKey(name, sending.content_id, sending.revision) for name in sending.channels]
    found = [await counts(plan) for plan in plans]
    known = [one for one in found if one]
    return StatusCounts(
        expected=sum(one.expected for one in known),
        failed=sum(one.failed + one.expired for one in known),
        complete=len(known) == len(found) and all(one.complete for one in known),
    )


def failure_mails(entry: HistoryEntry, total: StatusCounts, rules: MailRules) -> Mails:
    """Tell those who wrote or sent a revision for how many its delivery failed."""
    changes = {"kind": StaffMailKind.FAILED, "missed": total.failed, "expected": total.expected}
    notices = [
        one._replace(line=one.line.model_copy(update=changes))
        for one in entry.notices
        if one.line.kind in _OUT
    ]
    mails: Mails = {}
    for account, notice in rules.recipients(notices if total.failed else []):
        mails |= rules.mail(account, notice, entry.action, None)
    return mails
