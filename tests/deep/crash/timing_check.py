"""Order, withdrawals and bounds: what came too late, too soon or too often."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from consumers.ledger.entry import LedgerEntry, is_maybe
from contracts.delivery import BatchKey, PlanKey
from tests.deep.crash.evidence import LedgerSnapshot, ReceiverRecords, Row, text_key
from tests.deep.crash.receiver import CUT, LATER, ReceivedMail
from tests.deep.crash.short_waits import LADDER_S, LAST_S
from tests.deep.crash.zalo_check import by_marker, contents, marker_of

WINDOW = {"email": 25, "portal": 1, "zalo": 1}
"""Rows of one batch that a kill can leave in doubt: those of its one window on the wire."""
WINDOW_S = 10.0
"""A window that was granted before a halt may still go out: 25 mails, or the calls of one article.
The relay and the sandbox answer within milliseconds; a renewed connection costs a second. What the
window books on the bus in between waits for an outage of the bus as well."""
Outages = Sequence[tuple[float, float]]
EARLY_S = 1.0
"""Span within which a row counts as due."""


# --- what an older text still does when a newer position has its place


@dataclass(frozen=True)
class NewerPosition:
    """A position above others of its item, on one channel.

    Its plan is made when everything older is halted. Its last recipients are planned, on e-mail and
    Zalo, when nothing older can land any more.
    """

    revision: int
    withdrawal: bool
    made: float
    planned: float
    outages: tuple[tuple[float, float], ...] = ()

    def allows(self, began: float) -> bool:
        """Whether a request of an older text may begin as late as *began*."""
        waited_s = sum(
            max(min(end, began) - max(start, self.made), 0.0) for start, end in self.outages
        )
        return began <= self.made + WINDOW_S + waited_s

    @property
    def description(self) -> str:
        return "after withdrawal" if self.withdrawal else "order"


Newer = Mapping[tuple[str, str], list[NewerPosition]]


def positions(books: LedgerSnapshot, outages: Outages) -> Newer:
    """By channel and item: when each position took the place of those below it."""
    newer: defaultdict[tuple[str, str], list[NewerPosition]] = defaultdict(list)
    for plan, cursor in books.plans.items():
        if cursor.is_halted_before_start:
            continue  # a still newer one has made it, while it halted
        text = books.texts.get(text_key(plan))
        withdrawal = text is not None and text.action == "withdrawn"
        planned = cursor.finished or float("inf")
        position = NewerPosition(plan.revision, withdrawal, cursor.created, planned, tuple(outages))
        newer[plan.channel, plan.content_id].append(position)
    return newer


def late_mails(
    books: LedgerSnapshot, mails: Iterable[ReceivedMail], outages: Outages
) -> Iterator[str]:
    rows, above = books.mail_rows(), positions(books, outages)
    behind: Counter[tuple[BatchKey, NewerPosition]] = Counter()
    for mail in mails:
        row = rows.get(mail.key)
        for plan in books.positions_in(row) if row else ():
            yield from late_errors(above, plan, f"a mail for {row}", mail.began, mail.ended)
            behind.update((row.batch, newer) for newer in halted_by(above, plan, mail.began))
    for (batch, newer), times in behind.items():
        if times > WINDOW[batch.channel]:
            halt = f"behind the halt by {newer.revision}"
            yield f"{newer.description}: {times} mails of {batch} {halt}"


def halted_by(above: Newer, plan: PlanKey, began: float) -> Iterator[NewerPosition]:
    """Positions whose halt was complete when an older text's request began."""
    for newer in above[plan.channel, plan.content_id]:
        if newer.revision > plan.revision and began > newer.made:
            yield newer


def late_errors(
    above: Newer, plan: PlanKey, what: str, began: float, ended: float
) -> Iterator[str]:
    """An older text's request that begins behind the halt, or ends when a newer one has begun."""
    for newer in halted_by(above, plan, ended):
        if not newer.allows(began):
            halt = f"{began - newer.made:.1f} s behind the halt by {newer.revision}"
            yield f"{newer.description}: {what} began {halt}"
        elif ended > newer.planned:
            yield f"{newer.description}: {what} ended when revision {newer.revision} was planned"


def late_articles(
    books: LedgerSnapshot, journal: list[dict[str, Any]], outages: Outages
) -> Iterator[str]:
    """Delays that the public sees: of an article, of a broadcast."""
    rows = by_marker(row for row in books.rows if row.plan.channel == "zalo")
    above, pages = positions(books, outages), contents(journal)
    newest: dict[str, Row] = {}
    for fact in journal:
        payload = fact.get("payload", {})
        row = rows.get(marker_of(payload)) if payload else None
        if row and payload["status"] == "show":
            shown_at, what = fact["real"], f"the article of {row}"
            yield from late_errors(above, row.plan, what, shown_at, shown_at)
            last = newest.setdefault(row.plan.content_id, row)
            if row.plan.revision < last.plan.revision:
                yield f"order: {row} was shown after revision {last.plan.revision}"
            newest[row.plan.content_id] = max(row, last, key=lambda each: each.plan.revision)
        for id in fact.get("articles", ()):
            yield from late_broadcasts(above, pages[id], fact)


def late_broadcasts(above: Newer, content_id: str, fact: Mapping[str, Any]) -> Iterator[str]:
    """Positions share one broadcast, so only a withdrawal ends it."""
    for newer in above.get(("zalo", content_id), ()):
        if newer.withdrawal and not newer.allows(fact["real"]):
            yield f"after withdrawal: {content_id} was broadcast, withdrawn by {newer.revision}"


# --- how much may be declared after so many kills, and how soon a recipient is tried again


def declaration_errors(books: LedgerSnapshot, seen: ReceiverRecords) -> Iterator[str]:
    """A doubt has a cause: a kill or a trouble while the batch was open, or a lost answer.

    While the bus's servers are in trouble, an outcome may not be stored in time.
    A product that calls everything "maybe" declares more than that. Which of Zalo's rows lost an
    answer is not known, so all of them together may have so many more.
    """
    rows, on_zalo = books.mail_rows(), Counter[BatchKey]()
    cut = (mail.key for mail in seen.mails if mail.reply == CUT)
    cuts = Counter(rows[key].batch for key in cut if key in rows)
    causes = [*((at, at) for at in seen.kills), *seen.troubles]
    for batch, entry in books.entries.items():
        allowed = WINDOW[batch.channel] * causes_during(entry, causes) + cuts[batch]
        claimed = max(entry.possible_copies, sum(is_unsure(letter) for letter in entry.rows))
        if batch.channel == "zalo":
            on_zalo[batch] = max(claimed - allowed, 0)
        elif claimed > allowed:
            yield f"declared too much: {batch} has {claimed} doubts, {allowed} have a cause"
    if (doubts := on_zalo.total()) > (lost := seen.answers_lost):
        told = "; ".join(f"{batch} {told_doubts(books.entries[batch])}" for batch in +on_zalo)
        yield f"declared too much: zalo has {doubts} doubts for {lost} lost answers: {told}"


def told_doubts(entry: LedgerEntry) -> str:
    """When the batch was open, and why its rows were in doubt."""
    causes = (f"{one.cause} at {one.at:.1f} ({one.detail})" for one in entry.doubts)
    return f"open {entry.created:.1f} to {entry.closed_at or 0:.1f}, {', '.join(causes)}"


def is_unsure(letter: int) -> bool:
    return is_maybe(letter) or letter == ord("k")


def causes_during(entry: LedgerEntry, causes: Sequence[tuple[float, float]]) -> int:
    """How many of *causes*, from when until when each, meet the life of a batch."""
    ended = entry.closed_at or float("inf")
    return sum(entry.created <= until and since <= ended for since, until in causes)


def early_retries(
    books: LedgerSnapshot, mails: Iterable[ReceivedMail], kills: Sequence[float]
) -> Iterator[str]:
    """A reader who put us off is tried neither before their rung nor more often than there are.

    A refusal that a kill kept from being booked is forgotten: then it may be at once. Which mail a
    refused recipient was to get is not known to the relay; so only refusals at a mail's end count.
    """
    rows = books.mail_rows()
    tries: defaultdict[str, list[ReceivedMail]] = defaultdict(list)
    for mail in mails:
        if mail.key in rows:
            tries[mail.key].append(mail)
    for key, attempts in tries.items():
        between = count(kills, attempts[0].began, attempts[-1].ended)
        cuts = sum(mail.reply == CUT for mail in attempts)
        if len(attempts) > len(LADDER_S) + between + cuts:
            yield f"tried too often: {rows[key]} {len(attempts)} times"
        yield from too_soon(books, rows[key], attempts, kills)


def too_soon(
    books: LedgerSnapshot, row: Row, attempts: Sequence[ReceivedMail], kills: Sequence[float]
) -> Iterator[str]:
    last = books.end(row) - LAST_S
    rung = 0
    for before, after in pairwise(attempts):
        if before.reply != LATER or count(kills, before.began, after.began):
            continue
        rung += 1
        least_s = LADDER_S[min(rung, len(LADDER_S) - 1)] - EARLY_S
        waited_s = after.began - before.ended
        if waited_s < least_s and after.began < last - EARLY_S:  # the last try may come earlier
            yield f"too soon: {row} was tried {waited_s:.2f} s after it was put off"


def count(kills: Sequence[float], start: float, end: float) -> int:
    return sum(start <= at <= end for at in kills)
