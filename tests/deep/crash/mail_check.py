"""Mails and digests: who got what, how often, in which words, laid beside the ledger."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set

from consumers.ledger.entry import is_maybe
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, PlanKey
from tests.deep.crash.evidence import AcceptedEvent, LedgerSnapshot, Row, approved_marks, text_key
from tests.deep.crash.receiver import ReceivedMail, marks


def arrival_errors(books: LedgerSnapshot, mails: Sequence[ReceivedMail]) -> Iterator[str]:
    """Every mail has its row and its reader, every row the mails that the ledger tells of."""
    rows = books.mail_rows()
    copies: Counter[Row] = Counter()
    for mail in mails:
        row = rows.get(mail.key)
        if not mail.is_accepted:
            continue
        if row is None:
            yield f"unexpected: a mail {mail.message_id} to {mail.address} that has no row"
        elif not is_addressee(books, row, mail.address):
            yield f"unexpected: a mail for {row} reached {mail.address}"
        else:
            copies[row] += 1
    for row in rows.values():
        yield from row_errors(row, copies[row])
    yield from undeclared_copies(books, copies)


def is_addressee(books: LedgerSnapshot, row: Row, address: str) -> bool:
    """Whose letter it was is forgotten by now."""
    letter = keys.is_transactional(row.plan.content_id)
    return letter or books.address(row).casefold() == address.casefold()


def row_errors(row: Row, effects: int) -> Iterator[str]:
    """Differences between a row of the ledger and the receiver's count."""
    if row.letter in b"dD" and not effects:
        yield f"lost: {row} counts as delivered, the receiver has nothing"
    if row.never and effects:
        yield f"contradiction: {row} counts as never sent, the receiver has {effects}"
    if not is_maybe(row.letter) and effects > 1:
        yield f"undeclared duplicate: {row} arrived {effects} times"


def undeclared_copies(books: LedgerSnapshot, copies: Mapping[Row, int]) -> Iterator[str]:
    """No batch may have more copies than it declares."""
    surplus: Counter[BatchKey] = Counter()
    for row, times in copies.items():
        surplus[row.batch] += max(times - 1, 0)
    for batch, more in surplus.items():
        if more > (declared := books.entries[batch].possible_copies):
            yield f"undeclared duplicate: {batch} has {more} copies and declares {declared}"


def trial_errors(
    trials: Iterable[AcceptedEvent], guests: Set[str], mails: Sequence[ReceivedMail]
) -> Iterator[str]:
    """Each trial is in one mail to each guest, and in none to others."""
    sent = {(one.key, one.address, one.subject) for one in mails if one.is_accepted}
    for trial in trials:
        told = Counter(address for _, address, subject in sent if subject.endswith(trial.title))
        for address in guests | told.keys():
            if told[address] != (address in guests):
                yield f"trial: {trial.content_id} reached {address} in {told[address]} mails"


def order_errors(books: LedgerSnapshot, mails: Iterable[ReceivedMail]) -> Iterator[str]:
    """An older text after a newer one, for the same reader."""
    rows, newest = books.mail_rows(), dict[tuple[str, str], int]()
    for mail in mails:
        row = rows.get(mail.key)
        if not mail.is_accepted or row is None or keys.is_personal(row.plan.content_id):
            continue  # each step of a dossier is told by itself
        for plan in books.positions_in(row):
            reader = plan.content_id, mail.address
            if plan.revision < newest.get(reader, 0):
                yield f"order: {plan} arrived in {row} after revision {newest[reader]}"
            newest[reader] = max(plan.revision, newest.get(reader, 0))


def audience_errors(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """Every follower is in the plan, unless a newer position halted it first."""
    planned: defaultdict[PlanKey, set[str]] = defaultdict(set)
    for row in books.rows:
        planned[row.plan].add(books.addresses.get(row.recipient, ""))
    for event in told:
        plan = PlanKey(ChannelName.EMAIL, event.content_id, event.revision)
        cursor = books.plans.get(plan)
        if cursor and cursor.complete and not event.readers <= planned[plan]:
            yield f"lost: {len(event.readers - planned[plan])} readers are not in {plan}"


def text_errors(books: LedgerSnapshot, mails: Iterable[ReceivedMail]) -> Iterator[str]:
    """Every mail says what was approved for its row; its copies say the same, to the byte."""
    rows, first = books.mail_rows(), dict[str, str]()
    for mail in mails:
        row = rows.get(mail.key)
        if row is None or (words := approved_words(books, row)) is None:
            continue  # `arrival_errors` names it
        subject, approved = words
        if subject not in f"{mail.subject}\n" or {*mail.marks} != {approved}:
            yield f"wrong text: the mail for {row} says {mail.subject!r} {mail.marks}"
        if first.setdefault(mail.key, mail.digest) != mail.digest:
            yield f"wrong text: a copy of the mail for {row} differs"


def approved_words(books: LedgerSnapshot, row: Row) -> tuple[str, tuple[str, ...]] | None:
    """Required words or ending of its subject, and the marks of each of its parts."""
    if row.text in books.issues:
        bodies = [books.texts[text_key(plan)].body for plan in books.positions_in(row)]
        return f" ({len(bodies)} tin)\n", marks("".join(bodies))
    text = books.texts.get(row.text)
    return (text.title, approved_marks(text)) if text else None


def digest_errors(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """Every reader of digests got, or may have got, the newest text of each item in one mail.

    Of a withdrawal only those hear who had the item.
    """
    had = positions_by_reader(books)
    for (reader, plan), mails in had.items():
        if len(mails) > 1:
            yield f"undeclared duplicate: {reader} has {plan} in {' and in '.join(mails)}"
    for content_id, addresses in digest_readers(told).items():
        item = books.items.get(content_id)
        newest = max(item.released, default=0) if item else 0
        text = books.texts.get(keys.publication_key(content_id, newest))
        for address in sorted(addresses) if text else ():
            every = [PlanKey(ChannelName.EMAIL, content_id, n) for n in range(1, newest + 1)]
            got = [(address, plan) in had for plan in every]
            if not got[-1] and (any(got) or (text and text.action != "withdrawn")):
                yield f"lost: {address} reads digests and has no mail with {every[-1]}"


def positions_by_reader(books: LedgerSnapshot) -> dict[tuple[str, PlanKey], list[str]]:
    """The mails in which each reader got, or may have got, each position."""
    mails: defaultdict[tuple[str, PlanKey], list[str]] = defaultdict(list)
    for row in books.rows:
        if row.plan.channel == "email" and not row.never:
            for plan in books.positions_in(row):
                mails[books.addresses.get(row.recipient, row.recipient), plan].append(str(row))
    return mails


def digest_readers(told: Iterable[AcceptedEvent]) -> dict[str, set[str]]:
    """Whom each item is for, of those who read digests."""
    readers: defaultdict[str, set[str]] = defaultdict(set)
    for event in told:
        readers[event.content_id] |= event.for_digest
    return readers
