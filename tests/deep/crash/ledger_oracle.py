"""The judge: what the ledger says, laid beside what the receivers themselves have written down.

It trusts the receivers alone about an effect. `judge` names every contradiction.
"""

from collections.abc import Iterable, Iterator

from consumers.intake import written
from consumers.intake.items import SUPERSEDED_CODE, Item, Position
from consumers.ledger.entry import OPEN_LETTERS
from contracts import keys
from contracts.delivery import ChannelName, PlanKey
from tests.deep.crash import mail_check, portal_check, timing_check, zalo_check
from tests.deep.crash.evidence import AcceptedEvent, LedgerSnapshot, ReceiverRecords, text_key


def judge(books: LedgerSnapshot, told: Iterable[AcceptedEvent], seen: ReceiverRecords) -> list[str]:
    """Every contradiction, as text; an empty list acquits."""
    told = list(told)
    return [
        *lost_events(books, told),
        *unknown_positions(books, told),
        *unfinished_batches(books),
        *doubly_released(books),
        *altered_publications(books, told),
        *mail_check.arrival_errors(books, seen.mails),
        *mail_check.order_errors(books, seen.mails),
        *mail_check.text_errors(books, seen.mails),
        *mail_check.digest_errors(books, told),
        *mail_check.audience_errors(books, told),
        *zalo_check.zalo_errors(books, seen.zalo, seen.answers_lost),
        *portal_check.site_errors(books, seen.portal, seen.url),
        *timing_check.late_mails(books, seen.mails, seen.outages),
        *timing_check.late_articles(books, seen.zalo, seen.outages),
        *timing_check.declaration_errors(books, seen),
        *timing_check.early_retries(books, seen.mails, seen.kills),
    ]


def lost_events(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """Accepted, and not in the books; or refused without a reason."""
    for event in told:
        record, item = books.events.get(event.event_id), books.items.get(event.content_id)
        name = f"{event.content_id} revision {event.revision} ({event.event_id})"
        if record is None:
            yield f"lost: {name} is in no book"
        elif record.refused:
            if not is_superseded(item, event):
                yield f"lost: {name} was refused: {record.refused[0]}"
            elif not books.letters[event.event_id]:
                yield f"lost: {name} was refused and is no dead letter"
        elif item is None or not (number := item.position_of(event.event_id)):
            yield f"lost: {name} has no position"
        else:
            plan = PlanKey(ChannelName.PORTAL, event.content_id, number)
            follow = notice_errors if keys.is_case(event.content_id) else release_errors
            yield from follow(books, item, plan, name)


def is_superseded(item: Item | None, event: AcceptedEvent) -> bool:
    """Another event has its revision, or a newer one came first: then it must not go out."""
    if item is None:
        return False
    newer = any(number > event.revision for number in item.positions)
    return newer or item.positions.get(event.revision, event.event_id) != event.event_id


def release_errors(books: LedgerSnapshot, item: Item, plan: PlanKey, name: str) -> Iterator[str]:
    position = books.positions.get(text_key(plan))
    if position is None:
        yield f"lost: {name} has no record of its position"
    elif position.state == "waiting":
        return
    elif position.state == "refused":
        if position.decision is None and position.code != SUPERSEDED_CODE:
            yield f"lost: {name} was refused: {position.code} {position.reason}"
    elif plan.revision in item.released:
        yield from planning_errors(books, position, plan)
    elif position.state != "withdrawn":
        yield f"lost: {name} is {position.state} and was never released"


def notice_errors(books: LedgerSnapshot, item: Item, plan: PlanKey, name: str) -> Iterator[str]:
    """A case event has its one row, on a channel that its contact has."""
    if not any(batch[1:3] == plan[1:] for batch in books.entries):
        yield f"lost: {name} was never told to anybody"


def planning_errors(books: LedgerSnapshot, position: Position, plan: PlanKey) -> Iterator[str]:
    """Released: in the stream exactly once, and planned on every channel it names."""
    key = text_key(plan)
    if not books.published[key]:
        yield f"lost: {key} counts as released and is not in the stream"
    if position.seq is None:
        yield f"lost: {key} does not know where it was published"
    for channel in position.channels:
        if plan._replace(channel=channel) not in books.plans:
            yield f"lost: {key} was never planned for {channel}"


def unknown_positions(books: LedgerSnapshot, told: Iterable[AcceptedEvent]) -> Iterator[str]:
    """Positions of events that no sender was told anything about and that no desk made."""
    sent = {event.event_id for event in told}
    for key, position in books.positions.items():
        content_id, _, number = str(key).rpartition(".")
        of_desk = written.event_id(position.unit, content_id, int(number))
        if position.event_id not in sent | {of_desk}:
            yield f"unexpected: {key} comes from {position.event_id}, which nobody sent"


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
    """Released texts that differ from those of their senders."""
    for event in told:
        item = books.items.get(event.content_id)
        number = item.position_of(event.event_id) if item else 0
        text = books.texts.get(keys.publication_key(event.content_id, number))
        if text is None or text.action == "withdrawn":
            continue
        if (text.title, text.body) != (event.title, event.body):
            yield f"wrong text: {text.key} was released with another text than its sender's"
