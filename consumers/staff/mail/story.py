"""An item's acts with what each means for whom; which of them a person is told, and once."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import NamedTuple

from consumers.staff.accounts import Account
from consumers.staff.mail.notices import Notice, notices_of, recipients_of, step_of
from consumers.staff.mail.outbox import PendingMail
from consumers.staff.policy import Policy
from contracts import keys
from contracts.desk.staff_mail import StaffMailKind
from contracts.editorial import Action, ItemState

QUIET_SPAN = timedelta(seconds=30)
"""Acts of one person on one item that follow each other so closely are told together."""


class Told(NamedTuple):
    """An act of an item, the state after it, and what it means for whom."""

    seq: int
    action: Action
    state: ItemState
    notices: Sequence[Notice]


def tell(content_id: str, acts: Iterable[tuple[int, Action]]) -> list[Told]:
    """The story of an item's *acts*, each with its sequence. Raises ContractError."""
    state, story = ItemState(), list[Told]()
    for seq, action in acts:
        after = state.after(action)
        story.append(Told(seq, action, after, notices_of(content_id, state, action, after)))
        state = after
    return story


def mails_of(
    told: Told, story: Sequence[Told], accounts: Sequence[Account], policy: Policy
) -> dict[str, list[PendingMail]]:
    """The mails of one act, by account.

    That an item waits is told no more when it has moved on. Of acts of one person that follow each
    other closely, each reader is told the last.
    """
    later = [one for one in story if one.seq > told.seq]
    heard = {
        account.id
        for one in later
        if _is_close(told, one)
        for account, _ in _hear(one, accounts, policy)
    }
    mails: dict[str, list[PendingMail]] = {}
    for account, notice in _hear(told, accounts, policy):
        is_moot = notice.line.kind is StaffMailKind.WAITS and not _still_waits(told, later)
        if not (is_moot or account.id in heard or account.id in mails):
            mails[account.id] = [_pending(told.action, account, notice)]
    return mails


def _hear(told: Told, accounts: Sequence[Account], policy: Policy) -> list[tuple[Account, Notice]]:
    """Who is to be told of an act, with what; without who does not want it."""
    return [
        (account, notice)
        for notice in told.notices
        for account in recipients_of(notice, accounts, policy)
        if account.mail.wants(notice.line.kind)
    ]


def _is_close(told: Told, later: Told) -> bool:
    is_same = later.action.by == told.action.by
    return is_same and later.action.at - told.action.at <= QUIET_SPAN


def _still_waits(told: Told, later: Sequence[Told]) -> bool:
    now = step_of(told.state), told.state.revision
    return all((step_of(one.state), one.state.revision) == now for one in later)


def _pending(action: Action, account: Account, notice: Notice) -> PendingMail:
    name = keys.transactional_content_id("staff", action.digest, account.id, notice.line.kind)
    return PendingMail(id=name, line=notice.line, at=action.at)
