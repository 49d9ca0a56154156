"""An item's acts with what each means for whom; which of them a person is told, and once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from consumers.staff.accounts import Account
from consumers.staff.mail.notices import (
    ASKS,
    Notice,
    begins_step,
    notices_of,
    outdated_notice,
    recipients_of,
    waiting_notice,
)
from consumers.staff.mail.outbox import PendingMail
from consumers.staff.policy import Policy
from contracts import keys
from contracts.delivery import Lane
from contracts.desk.deadlines import Deadlines, step_of
from contracts.desk.shown.internal_change import PLANNING, is_internal_change
from contracts.desk.shown.text_times import time_of
from contracts.desk.staff_mail import INTERNAL, StaffMailKind
from contracts.editorial import Action, ActionKind, ItemState, state_after
from producers.bus.records import require

_RELEASING = frozenset({ActionKind.APPROVE, ActionKind.SCHEDULE})
Mails = dict[str, PendingMail]
"""Entries to be mailed, by account."""
QUIET_SPAN = timedelta(seconds=30)
"""Acts of one person on one item that follow each other so closely are told together."""


class HistoryEntry(NamedTuple):
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


def history_of(content_id: str, acts: Iterable[tuple[int, Action]]) -> list[HistoryEntry]:
    """The history of an item's *acts*, each with its sequence. Raises ContractError."""
    state, began, history = ItemState(), None, list[HistoryEntry]()
    texts = dict[str, Mapping[str, Any]]()
    for seq, action in acts:
        after = state_after(state, action)
        if action.text:
            texts[action.hash] = action.text.data
        if begins_step(state, after):
            began = action if step_of(after) else None
        notices = notices_of(content_id, state, action, after)
        if action.kind in _RELEASING and _is_internal(after, action.revision, texts):
            notices = [*_of_internal(notices)]
        history.append(HistoryEntry(seq, action, after, began, notices))
        state = after
    return history


def _is_internal(state: ItemState, revision: int, texts: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether a revision changes nothing that readers have."""
    out = texts.get(state.published.get(state.out, ""), {})
    text = texts.get(state.hash_of(revision), {})
    return bool(out and text.keys() & PLANNING) and is_internal_change(out, text)


def _of_internal(notices: Iterable[Notice]) -> Iterator[Notice]:
    """The notices of a text that is not released: it is approved, and gets no time."""
    for notice in notices:
        if notice.line.kind is StaffMailKind.APPROVED:
            line = notice.line.model_copy(update={"step": INTERNAL})
            yield notice._replace(line=line)
        elif notice.line.kind is not StaffMailKind.PROGRESS:
            yield notice


@dataclass(frozen=True)
class MailRules:
    """Who may be told, by which rules; `morning`: when the next mail of a morning is made."""

    accounts: Sequence[Account]
    policy: Policy
    deadlines: Deadlines
    morning: datetime

    def recipients(self, notices: Iterable[Notice]) -> list[tuple[Account, Notice]]:
        """Who is to be told what; without who does not want it."""
        return [
            (account, notice)
            for notice in notices
            for account in recipients_of(notice, self.accounts, self.policy)
            if account.mail.wants(notice.line.kind)
        ]

    def mail(
        self,
        account: Account,
        notice: Notice,
        act: Action,
        due: datetime | None,
        about: str = "",
    ) -> Mails:
        """The notice of *act* to *account*; an urgent one does not wait for the morning.

        *about*: the item of the mail, if it is not that of the act.
        """
        kind = notice.line.kind
        line = notice.line.model_copy(update={"due": due if notice.permission else None})
        slot = self.morning if account.mail.in_morning and not notice.is_urgent else None
        parts = filter(None, (kind, about))
        name = keys.transactional_content_id("staff", act.digest, account.id, *parts)
        began = act.digest if kind in ASKS else ""
        mail = PendingMail(id=name, line=line, at=act.at, slot=slot, began=began)
        return {account.id: mail}


def mails_of(entry: HistoryEntry, history: Sequence[HistoryEntry], rules: MailRules) -> Mails:
    """The mails of one act, by account.

    That an item waits is told no more when it has moved on. Of acts of one person that follow each
    other closely, each reader is told the last, and in any case that the own text was overtaken.
    """
    later = [one for one in history if one.seq > entry.seq]
    close = [notice for one in later if _is_close(entry, one) for notice in one.notices]
    told_later = {account.id for account, _ in rules.recipients(close)}
    mails: Mails = {}
    for account, notice in rules.recipients(entry.notices):
        kind = notice.line.kind
        is_moot = kind is StaffMailKind.WAITS and not _still_waits(entry, later)
        is_told_later = account.id in told_later and kind is not StaffMailKind.OVERTAKEN
        if not (is_moot or is_told_later or account.id in mails):
            mails |= rules.mail(account, notice, entry.action, entry.due(rules.deadlines))
    return mails


def overdue_mails(content_id: str, entry: HistoryEntry, rules: MailRules) -> Mails:
    """The mails that say that an item has waited too long, by account; *entry*: its last act."""
    notice = waiting_notice(content_id, entry.state, StaffMailKind.OVERDUE)
    mails: Mails = {}
    for account, found in rules.recipients([notice] if notice and entry.began else []):
        mails |= rules.mail(account, found, require(entry.began), entry.due(rules.deadlines))
    return mails


def outdated_mails(
    issue: str, state: ItemState, entry: HistoryEntry, item: str, rules: MailRules
) -> Mails:
    """The mails that say that an issue tells of an item that *entry* withdrew, by account."""
    notice = outdated_notice(issue, state, entry.action, item)
    mails: Mails = {}
    for account, found in rules.recipients([notice] if notice else []):
        mails |= rules.mail(account, found, entry.action, None, about=issue)
    return mails


def _is_close(entry: HistoryEntry, later: HistoryEntry) -> bool:
    is_same = later.action.by == entry.action.by
    return is_same and later.action.at - entry.action.at <= QUIET_SPAN


def _still_waits(entry: HistoryEntry, later: Sequence[HistoryEntry]) -> bool:
    return all(one.began == entry.began for one in later)
