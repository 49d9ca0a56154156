"""The judge: what the ledger says, laid beside what the receivers themselves have written down.

It trusts nobody's word about an effect but the receiver's. `judge` names every contradiction.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from consumers.intake.items import SUPERSEDED_CODE, Item, Position
from consumers.ledger.entry import OPEN_LETTERS, is_maybe
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bus
from tests.deep.crash import digest_check, limits_check, order_check, portal_check, zalo_check
from tests.deep.crash.ledger_snapshot import LedgerSnapshot, Row, read_snapshot
from tests.deep.crash.received_mail import ReceivedMail, marks


@dataclass(frozen=True)
class AcceptedEvent:
    """An event that a sender was told is accepted (202, exit code 0, or safe in the spool)."""

    event_id: str
    content_id: str
    revision: int  # 0 for a withdrawal
    readers: frozenset[str] = frozenset()  # addresses that surely follow it by mail
    title: str = ""
    body: str = ""
    for_digest: frozenset[str] = frozenset()  # addresses that surely follow it in digests


@dataclass(frozen=True)
class ReceiverRecords:
    """What the receivers have written down, and what the campaign has done to everybody."""

    mails: list[ReceivedMail]  # in the order of arrival, with those that were put off
    zalo: list[dict[str, Any]]  # the Official Account's journal
    portal: Path  # the public folder
    url: str  # where that is served
    kills: Sequence[float] = field(default_factory=list)  # when
    answers_lost: int = 0  # of Zalo's


async def contradictions(
    bus: Bus, told: Iterable[AcceptedEvent], seen: ReceiverRecords
) -> list[str]:
    """Every contradiction, as text; an empty list acquits."""
    books = await read_snapshot(bus)
    told = list(told)
    arrived = [(one.address, one.message_id) for one in seen.mails if one.is_accepted]
    return [
        *lost_events(books, told),
        *unknown_positions(books, told),
        *unfinished_batches(books),
        *doubly_released(books),
        *altered_publications(books, told),
        *mail_errors(books, arrived),
        *text_errors(books, seen.mails),
        *digest_check.text_errors(books, seen.mails),
        *digest_check.repetition_errors(books, told),
        *audience_errors(books, told),
        *zalo_check.zalo_errors(books, seen.zalo),
        *portal_check.site_errors(books, seen.portal, seen.url),
        *order_check.mail_errors(books, seen.mails),
        *order_check.article_errors(books, seen.zalo),
        *limits_check.declaration_errors(books, seen.mails, seen.kills, seen.answers_lost),
        *limits_check.early_retries(books, seen.mails, seen.kills),
    ]


# --- what was accepted is there, and has ended


def lost_events(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """Accepted, and not in the books; or refused without a reason."""
    for one in told:
        record, item = books.events.get(one.event_id), books.items.get(one.content_id)
        name = f"{one.content_id} revision {one.revision} ({one.event_id})"
        if record is None:
            yield f"lost: {name} is in no book"
        elif record.refused:
            if not is_superseded(item, one):
                yield f"lost: {name} was refused: {record.refused[0]}"
            elif not books.letters[one.event_id]:
                yield f"lost: {name} was refused and is no dead letter"
        elif item is None or not item.position_of(one.event_id):
            yield f"lost: {name} has no position"
        else:
            follows = notice_errors if keys.is_case(one.content_id) else release_errors
            yield from follows(books, item, one, name)


def unknown_positions(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """Positions of events that no sender was told anything about."""
    known = {one.event_id for one in told}
    for key, position in books.positions.items():
        if position.event_id not in known:
            yield f"unexpected: {key} comes from {position.event_id}, which nobody sent"


def is_superseded(item: Item | None, one: AcceptedEvent) -> bool:
    """Another event has its revision, or a newer one came first: then it must not go out."""
    holder = item.positions.get(one.revision, one.event_id) if item else one.event_id
    newer = item is not None and any(number > one.revision for number in item.positions)
    return newer or holder != one.event_id


def release_errors(
    books: LedgerSnapshot, item: Item, one: AcceptedEvent, name: str
) -> Iterator[str]:
    number = item.position_of(one.event_id)
    position = books.positions.get(keys.publication_key(one.content_id, number))
    if position is None:
        yield f"lost: {name} has no record of its position"
    elif position.state == "waiting":
        return
    elif position.state == "refused":
        if position.decision is None and position.code != SUPERSEDED_CODE:
            yield f"lost: {name} was refused: {position.code} {position.reason}"
    elif number in item.released:
        yield from planning_errors(
            books, position, PlanKey(ChannelName.PORTAL, one.content_id, number)
        )
    elif position.state != "withdrawn":
        yield f"lost: {name} is {position.state} and was never released"


def notice_errors(
    books: LedgerSnapshot, item: Item, one: AcceptedEvent, name: str
) -> Iterator[str]:
    """A case event has its one row, on a channel that its contact has."""
    plan = (one.content_id, item.position_of(one.event_id))
    if not any(batch[1:3] == plan for batch in books.entries):
        yield f"lost: {name} was never told to anybody"


def planning_errors(books: LedgerSnapshot, position: Position, plan: PlanKey) -> Iterator[str]:
    """Released: in the stream exactly once, and planned on every channel it names."""
    key = keys.publication_key(plan.content_id, plan.revision)
    if not books.published[key]:
        yield f"lost: {key} counts as released and is not in the stream"
    if position.seq is None:
        yield f"lost: {key} does not know where it was published"
    for channel in position.channels:
        if plan._replace(channel=channel) not in books.plans:
            yield f"lost: {key} was never planned for {channel}"


def unfinished_batches(books: LedgerSnapshot) -> Iterator[str]:
    for plan, cursor in books.plans.items():
        if not (cursor.complete or cursor.halt):
            yield f"unfinished: plan {plan}"
    for batch, entry in books.entries.items():
        if not entry.closed_at or not OPEN_LETTERS.isdisjoint(entry.rows):
            yield f"unfinished: {batch} {entry.rows.decode()[:60]}"


def doubly_released(books: LedgerSnapshot) -> Iterator[str]:
    for key, times in books.published.items():
        if times > 1:
            yield f"released {times} times: {key}"


def altered_publications(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """What was released says what its sender had said."""
    for one in told:
        item = books.items.get(one.content_id)
        number = item.position_of(one.event_id) if item else 0
        text = books.texts.get(keys.publication_key(one.content_id, number))
        if text is None or text.action == "withdrawn":
            continue
        if (text.title, text.body) != (one.title, one.body):
            yield f"wrong text: {text.key} was released with another text than its sender's"


# --- mail


def mail_errors(books: LedgerSnapshot, mails: list[tuple[str, str]]) -> Iterator[str]:
    rows = {row.delivery_key[:32]: row for row in books.rows if row.plan.channel == "email"}
    got: Counter[Row] = Counter()
    for address, message_id in mails:
        row = rows.get(message_id.strip("<>").partition("@")[0])
        if row is None:
            yield f"unexpected: a mail {message_id} to {address} that no row stands for"
        elif not keys.is_transactional(row.plan.content_id) and not same_recipient(
            books.address(row), address
        ):
            yield f"unexpected: a mail for {row} reached {address}"
        else:
            got[row] += 1
    for row in rows.values():
        yield from row_errors(row, got[row])
    yield from undeclared_copies(books, got)
    yield from order_errors(books, rows, mails)


def same_recipient(one: str, other: str) -> bool:
    return one.casefold() == other.casefold()


def row_errors(row: Row, effects: int) -> Iterator[str]:
    """What the ledger says of one row, and what the receiver saw."""
    if row.letter in b"dD" and not effects:
        yield f"lost: {row} counts as delivered, the receiver has nothing"
    if row.never and effects:
        yield f"contradiction: {row} counts as never sent, the receiver has {effects}"
    if not is_maybe(row.letter) and effects > 1:
        yield f"undeclared duplicate: {row} arrived {effects} times"


def undeclared_copies(books: LedgerSnapshot, got: Mapping[Row, int]) -> Iterator[str]:
    """No batch may have more copies than it declares."""
    surplus: Counter[BatchKey] = Counter()
    for row, times in got.items():
        surplus[row.batch] += max(times - 1, 0)
    for batch, more in surplus.items():
        if more > books.entries[batch].possible_copies:
            declared = books.entries[batch].possible_copies
            yield f"undeclared duplicate: {batch} has {more} copies and declares {declared}"


def order_errors(
    books: LedgerSnapshot, rows: Mapping[str, Row], mails: list[tuple[str, str]]
) -> Iterator[str]:
    """An older text after a newer one, for the same reader."""
    newest: dict[tuple[str, str], int] = {}
    for address, message_id in mails:
        row = rows.get(message_id.strip("<>").partition("@")[0])
        if row is None or keys.is_personal(row.plan.content_id):
            continue  # each step of a dossier is told by itself
        for plan in digest_check.positions_in(books, row):
            reader = plan.content_id, address
            if plan.revision < newest.get(reader, 0):
                yield f"order: {plan} arrived in {row} after revision {newest[reader]}"
            newest[reader] = max(plan.revision, newest.get(reader, 0))


def audience_errors(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """Whoever followed surely is in the plan, unless a newer position halted it first."""
    planned: defaultdict[PlanKey, set[str]] = defaultdict(set)
    for row in books.rows:
        planned[row.plan].add(books.addresses.get(row.recipient, ""))
    for one in told:
        plan = PlanKey(ChannelName.EMAIL, one.content_id, one.revision)
        cursor = books.plans.get(plan)
        if cursor and cursor.complete and not one.readers <= planned[plan]:
            yield f"lost: {len(one.readers - planned[plan])} readers are not in {plan}"


def text_errors(books: LedgerSnapshot, mails: Iterable[ReceivedMail]) -> Iterator[str]:
    """Every mail says what was approved for its revision; its copies say the same, to the byte."""
    rows = {row.delivery_key[:32]: row for row in books.rows if row.plan.channel == "email"}
    first: dict[str, str] = {}
    for one in mails:
        row = rows.get(one.key)
        text = books.texts.get(row.text) if row else None
        if text is None:
            continue  # `mail` names it
        approved = () if text.action == "withdrawn" else marks(text.body)
        if text.title not in one.subject or {*one.marks} != {approved}:
            yield f"wrong text: the mail for {row} says {one.subject!r} {one.marks}"
        if first.setdefault(one.key, one.digest) != one.digest:
            yield f"wrong text: a copy of the mail for {row} differs"
