"""An item's acts with what each means for whom; which of them a person is told, and once."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from consumers.staff.accounts import Account
from consumers.staff.mail.notices import (
    Notice,
    begins_step,
    notices_of,
    recipients_of,
    waiting_notice,
)
from consumers.staff.mail.outbox import PendingMail
from consumers.staff.policy import Policy
from contracts import keys
from contracts.delivery import Lane
from contracts.desk.deadlines import Deadlines, step_of
from contracts.desk.shown_status import time_of
from contracts.desk.staff_mail import StaffMailKind
from contracts.editorial import Action, ItemState
from producers.bus.records import require

Mails = dict[str, PendingMail]
"""What is to be mailed, by account."""
QUIET_SPAN = timedelta(seconds=30)
"""Acts of one person on one item that follow each other so closely are told together."""


class Told(NamedTuple):
    """An act of an item, the state after it, and what it means for whom.

    `began`: the act with which the newest text came to the step that it waits for.
    """

    seq: int
    action: Action
    state: ItemState
    began: Action | None
    notices: Sequence[Notice]

    def due(self, deadlines: Deadlines) -> datetime | None:
        """Until when the step is to be done; None if it waits for none, or no deadline is known."""
        step, text = step_of(self.state), self.state.text
        if step is None or text is None or self.began is None:
            return None
        lane = str(text.data.get("lane") or Lane.NORMAL)
        return deadlines.until(step, self.began.at, lane, time_of(text.data, "not_before")).at


def tell(content_id: str, acts: Iterable[tuple[int, Action]]) -> list[Told]:
    """The story of an item's *acts*, each with its sequence. Raises ContractError."""
    state, began, story = ItemState(), None, list[Told]()
    for seq, action in acts:
        after = state.after(action)
        if begins_step(state, after):
            began = action if step_of(after) else None
        story.append(Told(seq, action, after, began, notices_of(content_id, state, action, after)))
        state = after
    return story


@dataclass(frozen=True)
class Office:
    """Who may be told, by which rules; `morning`: when the next mail of a morning is made."""

    accounts: Sequence[Account]
    policy: Policy
    deadlines: Deadlines
    morning: datetime

    def hear(self, notices: Iterable[Notice]) -> list[tuple[Account, Notice]]:
        """Who is to be told what; without who does not want it."""
        return [
            (account, notice)
            for notice in notices
            for account in recipients_of(notice, self.accounts, self.policy)
            if account.mail.wants(notice.line.kind)
        ]

    def mail(self, account: Account, notice: Notice, act: Action, due: datetime | None) -> Mails:
        """What *account* is told of *act*; what is urgent does not wait for the morning."""
        kind = notice.line.kind
        line = notice.line.model_copy(update={"due": due if notice.permission else None})
        slot = self.morning if account.mail.in_morning and not notice.is_urgent else None
        name = keys.transactional_content_id("staff", act.digest, account.id, kind)
        return {account.id: PendingMail(id=name, line=line, at=act.at, slot=slot)}


def mails_of(told: Told, story: Sequence[Told], office: Office) -> Mails:
    """The mails of one act, by account.

    That an item waits is told no more when it has moved on. Of acts of one person that follow each
    other closely, each reader is told the last.
    """
    later = [one for one in story if one.seq > told.seq]
    close = [notice for one in later if _is_close(told, one) for notice in one.notices]
    heard = {account.id for account, _ in office.hear(close)}
    mails: Mails = {}
    for account, notice in office.hear(told.notices):
        is_moot = notice.line.kind is StaffMailKind.WAITS and not _still_waits(told, later)
        if not (is_moot or account.id in heard or account.id in mails):
            mails |= office.mail(account, notice, told.action, told.due(office.deadlines))
    return mails


def overdue_mails(content_id: str, told: Told, office: Office) -> Mails:
    """The mails that say that an item has waited too long, by account; *told*: its last act."""
    notice = waiting_notice(content_id, told.state, StaffMailKind.OVERDUE)
    mails: Mails = {}
    for account, heard in office.hear([notice] if notice and told.began else []):
        mails |= office.mail(account, heard, require(told.began), told.due(office.deadlines))
    return mails


def _is_close(told: Told, later: Told) -> bool:
    is_same = later.action.by == told.action.by
    return is_same and later.action.at - told.action.at <= QUIET_SPAN


def _still_waits(told: Told, later: Sequence[Told]) -> bool:
    return all(one.began == told.began for one in later)
