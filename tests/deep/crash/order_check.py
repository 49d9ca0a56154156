"""Order and withdrawals: what an older text still does when a newer position has its place."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from contracts import keys
from contracts.delivery import BatchKey, PlanKey
from tests.deep.crash import digest_check
from tests.deep.crash.ledger_snapshot import LedgerSnapshot, Row
from tests.deep.crash.limits_check import WINDOW
from tests.deep.crash.received_mail import ReceivedMail
from tests.deep.crash.zalo_check import by_marker, contents, marker_of

WINDOW_S = 10.0
"""A window that was granted before a halt may still go out: 25 mails, or the calls of one article.
The relay and the sandbox answer within milliseconds; a renewed connection costs a second."""


@dataclass(frozen=True)
class NewerPosition:
    """A position that stands above others of its item, on one channel.

    Its plan is made when everything older is halted. Its last recipients are planned, on e-mail and
    Zalo, when nothing older can land any more.
    """

    revision: int
    withdrawal: bool
    made: float
    planned: float

    @property
    def description(self) -> str:
        return "after withdrawal" if self.withdrawal else "order"


def mail_errors(books: LedgerSnapshot, mails: Iterable[ReceivedMail]) -> Iterator[str]:
    rows = {row.delivery_key[:32]: row for row in books.rows if row.plan.channel == "email"}
    above = positions(books)
    behind: Counter[tuple[BatchKey, NewerPosition]] = Counter()
    for one in mails:
        row = rows.get(one.key)
        if row is None:
            continue  # the judge names it
        for plan in digest_check.positions_in(books, row):
            yield from late_errors(above, plan, f"a mail for {row}", (one.began, one.ended))
            behind.update((row.batch, newer) for newer in halted_by(above, plan, one.began))
    for (batch, newer), mails_sent in behind.items():
        if mails_sent > WINDOW[batch.channel]:
            halt = f"behind the halt by {newer.revision}"
            yield f"{newer.description}: {mails_sent} mails of {batch} {halt}"


def halted_by(
    above: Mapping[tuple[str, str], list[NewerPosition]], plan: PlanKey, began: float
) -> Iterator[NewerPosition]:
    """Positions whose halt was complete when an older text's request began."""
    for newer in above[plan.channel, plan.content_id]:
        if newer.revision > plan.revision and began > newer.made:
            yield newer


def article_errors(books: LedgerSnapshot, journal: list[dict[str, Any]]) -> Iterator[str]:
    """Whatever the public sees: an article that is shown, a broadcast."""
    rows = by_marker(row for row in books.rows if row.plan.channel == "zalo")
    above, pages = positions(books), contents(journal)
    newest: dict[str, Row] = {}
    for fact in journal:
        payload = fact.get("payload", {})
        row = rows.get(marker_of(payload)) if payload else None
        if row and payload["status"] == "show":
            yield from late_errors(
                above, row.plan, f"the article of {row}", (fact["real"], fact["real"])
            )
            last = newest.setdefault(row.plan.content_id, row)
            if row.plan.revision < last.plan.revision:
                yield f"order: {row} was shown after revision {last.plan.revision}"
            newest[row.plan.content_id] = max(row, last, key=lambda one: one.plan.revision)
        for id in fact.get("articles", ()):
            yield from broadcast_errors(above, pages[id], fact)


def broadcast_errors(
    above: Mapping[tuple[str, str], list[NewerPosition]], content_id: str, fact: Mapping[str, Any]
) -> Iterator[str]:
    """Positions share one broadcast, so only a withdrawal ends it."""
    for newer in above.get(("zalo", content_id), ()):
        if newer.withdrawal and fact["real"] > newer.made + WINDOW_S:
            yield f"after withdrawal: {content_id} was broadcast, withdrawn by {newer.revision}"


def positions(books: LedgerSnapshot) -> Mapping[tuple[str, str], list[NewerPosition]]:
    """By channel and item: when each position took the place of those below it."""
    found: defaultdict[tuple[str, str], list[NewerPosition]] = defaultdict(list)
    for plan, cursor in books.plans.items():
        if cursor.is_halted_before_start:
            continue  # a still newer one has made it, while it halted
        text = books.texts.get(keys.publication_key(plan.content_id, plan.revision))
        newer = NewerPosition(
            plan.revision,
            text is not None and text.action == "withdrawn",
            cursor.created,
            cursor.finished or float("inf"),
        )
        found[plan.channel, plan.content_id].append(newer)
    return found


def late_errors(
    above: Mapping[tuple[str, str], list[NewerPosition]],
    plan: PlanKey,
    what: str,
    times: tuple[float, float],
) -> Iterator[str]:
    """An older text's request that begins behind the halt, or ends when a newer one has begun."""
    began, ended = times
    for newer in halted_by(above, plan, ended):
        if began > newer.made + WINDOW_S:
            after_s = began - newer.made
            halt = f"behind the halt by {newer.revision}"
            yield f"{newer.description}: {what} began {after_s:.1f} s {halt}"
        elif ended > newer.planned:
            yield f"{newer.description}: {what} ended when revision {newer.revision} was planned"
