"""Digests: what stands in each mail, and whether every reader of them got every item once."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from consumers.digests.store import DigestStore
from contracts import keys, subjects
from contracts.delivery import ChannelName, PlanKey
from contracts.subscriptions.digest import FREQUENCIES
from producers.bus import Bus
from tests.deep.crash.ledger_snapshot import LedgerSnapshot, Row
from tests.deep.crash.limits_check import mail_rows
from tests.deep.crash.received_mail import ReceivedMail, marks

if TYPE_CHECKING:
    from tests.deep.crash.ledger_oracle import AcceptedEvent


def positions_in(books: LedgerSnapshot, row: Row) -> Iterator[PlanKey]:
    """The positions that a mail brings: one, or of a digest those that its reader was to get."""
    issue = books.issues.get(row.text)
    if issue is None:
        yield row.plan
        return
    for number, item in enumerate(issue.items):
        if row.picks >> number & 1:
            yield PlanKey(ChannelName.EMAIL, item.content_id, item.revision)


def key(plan: PlanKey) -> str:
    return keys.publication_key(plan.content_id, plan.revision)


def text_errors(books: LedgerSnapshot, mails: Iterable[ReceivedMail]) -> Iterator[str]:
    """A digest says what was approved of each of its items, and of no other one."""
    rows, first = mail_rows(books), dict[str, str]()
    for one in mails:
        row = rows.get(one.key)
        if row is None or row.text not in books.issues:
            continue  # an item's own mail, or one that the judge names
        items = [*positions_in(books, row)]
        approved = marks("".join(books.texts[key(plan)].body for plan in items))
        if {*one.marks} != {approved} or not one.subject.endswith(f": {len(items)} tin"):
            yield f"wrong text: the digest of {row} says {one.subject!r} {one.marks}"
        if first.setdefault(one.key, one.digest) != one.digest:
            yield f"wrong text: a copy of the digest of {row} differs"


def repetition_errors(books: LedgerSnapshot, told: Iterable["AcceptedEvent"]) -> Iterator[str]:
    """Every reader of digests got, or may have got, the newest text of each item in one mail.

    Of a withdrawal only those hear who had the item.
    """
    had = positions(books)
    for (reader, plan), mails in had.items():
        if len(mails) > 1:
            yield f"undeclared duplicate: {reader} has {plan} in {' and in '.join(mails)}"
    for content_id, addresses in expected_readers(told).items():
        item = books.items.get(content_id)
        newest = max(item.released, default=0) if item else 0
        text = books.texts.get(keys.publication_key(content_id, newest))
        for address in sorted(addresses) if text else ():
            every = [PlanKey(ChannelName.EMAIL, content_id, one) for one in range(1, newest + 1)]
            got = [(address, plan) in had for plan in every]
            if not got[-1] and (any(got) or (text and text.action != "withdrawn")):
                yield f"lost: {address} reads digests and has no mail with {every[-1]}"


def positions(books: LedgerSnapshot) -> dict[tuple[str, PlanKey], list[str]]:
    """The mails in which each reader got, or may have got, each position."""
    found: defaultdict[tuple[str, PlanKey], list[str]] = defaultdict(list)
    for row in books.rows:
        if row.plan.channel == "email" and not row.never:
            for plan in positions_in(books, row):
                found[books.addresses.get(row.recipient, row.recipient), plan].append(str(row))
    return found


def expected_readers(told: Iterable["AcceptedEvent"]) -> dict[str, set[str]]:
    """Whom each item is for, of those who read digests."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for one in told:
        found[one.content_id] |= one.for_digest
    return found


async def is_idle(bus: Bus) -> bool:
    """Whether everything that was published has been gathered, and planned."""
    book = DigestStore(bus)
    last = int((await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"])
    for frequency in FREQUENCIES:
        now = (await book.last_cut(frequency)).value
        if now is None or now.upto < last or now.carried:
            return False
    return not (await book.open_digests()).calls


async def has_begun(bus: Bus) -> bool:
    """Whether the first window of each rhythm has begun."""
    book = DigestStore(bus)
    return all([(await book.last_cut(frequency)).value for frequency in FREQUENCIES])
