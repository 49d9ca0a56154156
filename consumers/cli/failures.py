"""`loa trace --failed`: who was not reached, why, since when, and what to do."""

from collections.abc import Sequence
from datetime import UTC, datetime

import typer
from pydantic import BaseModel

from consumers.cli.acts import look
from consumers.cli.filters import require_time
from consumers.cli.output import print_field_texts
from consumers.intake.repository import ItemRepository
from consumers.ledger.store import Ledger
from consumers.messages import field_error
from consumers.reporting.failures import Failure, FailureReader
from consumers.staff.authorization import ReadingRight
from consumers.staff.policy import ObjectFacts
from contracts import keys, subjects
from contracts.records import EventRecord
from contracts.text.moments import format_for_people
from producers.bus import Bus
from producers.bus.records import read
from producers.output import print_bilingual

_DEFAULT_SINCE = "7d"


class FailuresAnswer(BaseModel):
    """Failures of one item or of all, the latest first; `left_out`: beyond the limit.

    `since`: of an item without --since the time of its first failure, or now.
    """

    since: datetime
    failures: list[Failure]
    left_out: int = 0


async def find_failures(bus: Bus, content_id: str, since: str, by: str) -> FailuresAnswer:
    """The failures of one item, or of all items since *since*, that the person may see.

    Raises Invalid, Unauthorized, Forbidden, BusError.
    """
    named = since or ("" if content_id else _DEFAULT_SINCE)
    moment = require_time("since", named)
    right, ledger = await look(bus, "item.read", content_id, by), Ledger(bus)
    start = await ledger.bucket.first_seq_since(moment)
    found = await FailureReader(ledger, start).read(await _item_of(bus, content_id))
    seen = await _visible_items(bus, right, {failure.content_id for failure in found})
    failures = [one for one in found if one.content_id in seen]
    first = min((one.since for one in failures), default=datetime.now(UTC))
    return FailuresAnswer(since=moment if named else first, failures=failures)


async def _item_of(bus: Bus, name: str) -> str:
    """The content_id of an item, or of an event's item. Raises Invalid for an unknown name."""
    if not name:
        return ""
    event = (await read(bus.bucket(subjects.EVENTS.name), name, EventRecord)).value
    content_id = event.content_id if event else name
    if not (keys.is_transactional(content_id) or keys.is_digest(content_id)):
        await ItemRepository(bus).require_item(content_id)
    return content_id


async def _visible_items(bus: Bus, right: ReadingRight, content_ids: set[str]) -> set[str]:
    if right.account is None:
        return content_ids
    repository, seen = ItemRepository(bus), set[str]()
    for content_id in content_ids:
        item = await repository.item(content_id)
        if right.covers(ObjectFacts(item.unit, item.topic) if item else ObjectFacts()):
            seen.add(content_id)
    return seen


def limited(answer: FailuresAnswer, limit: int) -> FailuresAnswer:
    left_out = max(len(answer.failures) - limit, 0)
    return answer.model_copy(update={"failures": answer.failures[:limit], "left_out": left_out})


def print_failures(answer: FailuresAnswer) -> None:
    if not answer.failures:
        print_field_texts(field_error("failed", "failures_none"))
    for failure in answer.failures:
        _print_failure(failure)
    if answer.left_out:
        print_field_texts(field_error("failed", "failures_left_out", count=answer.left_out))


def _print_failure(failure: Failure) -> None:
    revision = f", revision {failure.revision}" if failure.revision else ""
    reason = f": {failure.reason}" if failure.reason else ""
    typer.echo(
        f"{failure.content_id}{revision}, {failure.channel}: {failure.count} {failure.status}"
    )
    typer.echo(f"  since {format_for_people(failure.since)}{reason}")
    for line in _id_lines(failure.recipients, failure.count):
        typer.echo(f"  {line}")
    print_bilingual(f"  now: {failure.remedy}", f"  việc cần làm: {failure.remedy_vi}")


def _id_lines(ids: Sequence[str], count: int, per_line: int = 4) -> list[str]:
    """The opaque ids in lines of 80 columns, and how many are not named."""
    lines = ["  ".join(ids[start : start + per_line]) for start in range(0, len(ids), per_line)]
    return [*lines, f"and {count - len(ids)} more"] if ids and count > len(ids) else lines
