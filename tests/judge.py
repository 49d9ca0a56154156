"""The judge: what the ledger says, laid beside what the receivers themselves have written down.

It trusts nobody's word about an effect but the receiver's. `judge` names every contradiction.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from channels.portal import rules
from channels.portal.pages import FEED_LIMIT
from channels.zalo.render import marker
from consumers.items import SUPERSEDED, Item, Position
from consumers.ledger.entry import OPEN, maybe
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, PlanKey
from producers.bus import Bus
from tests.judge_books import Books, Row, read

FEEDS = ("rss", "atom", "json")


@dataclass(frozen=True)
class Told:
    """An event that a sender was told is accepted (202, exit code 0, or safe in the spool)."""

    event_id: str
    content_id: str
    revision: int  # 0 for a withdrawal
    readers: frozenset[str] = frozenset()  # addresses that surely follow it by mail


@dataclass(frozen=True)
class Witnesses:
    """What the receivers have written down."""

    mails: list[tuple[str, str]]  # (address, Message-ID), in the order of arrival
    zalo: list[dict[str, Any]]  # the Official Account's journal
    portal: Path  # the public folder
    url: str  # where that is served


async def judge(bus: Bus, told: Iterable[Told], seen: Witnesses) -> list[str]:
    """Every contradiction, as text; an empty list acquits."""
    books = await read(bus)
    told = list(told)
    found = [
        *lost(books, told),
        *uninvited(books, told),
        *unfinished(books),
        *twice_released(books),
    ]
    found += [*mail(books, seen.mails), *audience(books, told)]
    found += [*account(books, seen.zalo), *site(books, seen)]
    return found


# --- what was accepted is there, and has ended


def lost(books: Books, told: Iterable[Told]) -> Iterator[str]:
    """Accepted, and not in the books; or refused without a reason."""
    for one in told:
        record, item = books.events.get(one.event_id), books.items.get(one.content_id)
        name = f"{one.content_id} revision {one.revision} ({one.event_id})"
        if record is None:
            yield f"lost: {name} is in no book"
        elif record.refused:
            if not overtaken(item, one):
                yield f"lost: {name} was refused: {record.refused[0]}"
            elif not books.letters[one.event_id]:
                yield f"lost: {name} was refused and is no dead letter"
        elif item is None or not item.position_of(one.event_id):
            yield f"lost: {name} has no position"
        else:
            yield from unreleased(books, item, one, name)


def uninvited(books: Books, told: Iterable[Told]) -> Iterator[str]:
    """Positions of events that no sender was told anything about."""
    known = {one.event_id for one in told}
    for key, position in books.positions.items():
        if position.event_id not in known:
            yield f"unexpected: {key} comes from {position.event_id}, which nobody sent"


def overtaken(item: Item | None, one: Told) -> bool:
    """Another event has its revision, or a newer one came first: then it must not go out."""
    holder = item.positions.get(one.revision, one.event_id) if item else one.event_id
    newer = item is not None and any(number > one.revision for number in item.positions)
    return newer or holder != one.event_id


def unreleased(books: Books, item: Item, one: Told, name: str) -> Iterator[str]:
    number = item.position_of(one.event_id)
    position = books.positions.get(keys.publication_key(one.content_id, number))
    if position is None:
        yield f"lost: {name} has no record of its position"
    elif position.state == "waiting":
        return
    elif position.state == "refused":
        if position.decision is None and position.code != SUPERSEDED:
            yield f"lost: {name} was refused: {position.code} {position.reason}"
    elif number in item.released:
        yield from unplanned(books, position, PlanKey(ChannelName.PORTAL, one.content_id, number))
    elif position.state != "withdrawn":
        yield f"lost: {name} is {position.state} and was never released"


def unplanned(books: Books, position: Position, plan: PlanKey) -> Iterator[str]:
    """Released: in the stream exactly once, and planned on every channel it names."""
    key = keys.publication_key(plan.content_id, plan.revision)
    if not books.published[key]:
        yield f"lost: {key} counts as released and is not in the stream"
    if position.seq is None:
        yield f"lost: {key} does not know where it was published"
    for channel in position.channels:
        if plan._replace(channel=channel) not in books.plans:
            yield f"lost: {key} was never planned for {channel}"


def unfinished(books: Books) -> Iterator[str]:
    for plan, cursor in books.plans.items():
        if not (cursor.complete or cursor.halt):
            yield f"unfinished: plan {plan}"
    for batch, entry in books.entries.items():
        if not entry.closed or not OPEN.isdisjoint(entry.rows):
            yield f"unfinished: {batch} {entry.rows.decode()[:60]}"


def twice_released(books: Books) -> Iterator[str]:
    for key, times in books.published.items():
        if times > 1:
            yield f"released {times} times: {key}"


# --- mail


def mail(books: Books, mails: list[tuple[str, str]]) -> Iterator[str]:
    rows = {row.delivery_key[:32]: row for row in books.rows if row.plan.channel == "email"}
    got: Counter[Row] = Counter()
    for address, message_id in mails:
        row = rows.get(message_id.strip("<>").partition("@")[0])
        if row is None:
            yield f"unexpected: a mail {message_id} to {address} that no row stands for"
        elif books.addresses.get(row.recipient, "").casefold() != address.casefold():
            yield f"unexpected: a mail for {row} reached {address}"
        else:
            got[row] += 1
    for row in rows.values():
        yield from contradicted(row, got[row])
    yield from copies(books, got)
    yield from disorder(rows, mails)


def contradicted(row: Row, effects: int) -> Iterator[str]:
    """What the ledger says of one row, and what the receiver saw."""
    if row.letter in b"dD" and not effects:
        yield f"lost: {row} counts as delivered, the receiver has nothing"
    if row.never and effects:
        yield f"contradiction: {row} counts as never sent, the receiver has {effects}"
    if not maybe(row.letter) and effects > 1:
        yield f"undeclared duplicate: {row} arrived {effects} times"


def copies(books: Books, got: Mapping[Row, int]) -> Iterator[str]:
    """No batch may have more copies than it declares."""
    surplus: Counter[BatchKey] = Counter()
    for row, times in got.items():
        surplus[row.batch] += max(times - 1, 0)
    for batch, more in surplus.items():
        if more > books.entries[batch].copies:
            declared = books.entries[batch].copies
            yield f"undeclared duplicate: {batch} has {more} copies and declares {declared}"


def disorder(rows: Mapping[str, Row], mails: list[tuple[str, str]]) -> Iterator[str]:
    """An older text after a newer one, for the same reader."""
    newest: dict[tuple[str, str], int] = {}
    for address, message_id in mails:
        row = rows.get(message_id.strip("<>").partition("@")[0])
        if row is None:
            continue
        reader = row.plan.content_id, address
        if row.plan.revision < newest.get(reader, 0):
            yield f"order: {row} arrived after revision {newest[reader]}"
        newest[reader] = max(row.plan.revision, newest.get(reader, 0))


def audience(books: Books, told: Iterable[Told]) -> Iterator[str]:
    """Whoever followed surely is in the plan, unless a newer position halted it first."""
    planned: defaultdict[PlanKey, set[str]] = defaultdict(set)
    for row in books.rows:
        planned[row.plan].add(books.addresses.get(row.recipient, ""))
    for one in told:
        plan = PlanKey(ChannelName.EMAIL, one.content_id, one.revision)
        cursor = books.plans.get(plan)
        if cursor and cursor.complete and not one.readers <= planned[plan]:
            yield f"lost: {len(one.readers - planned[plan])} readers are not in {plan}"


# --- the Official Account


def account(books: Books, journal: list[dict[str, Any]]) -> Iterator[str]:
    rows = [row for row in books.rows if row.plan.channel == "zalo"]
    articles, broadcasts = replayed(journal)
    markers = {marker(row.delivery_key): row for row in rows if row.recipient == "article"}
    seen: defaultdict[str, list[bool]] = defaultdict(list)
    for article in articles.values():
        row = markers.get(article["tracking_link"].rpartition("#")[2])
        if row is None:
            yield f"unexpected: an article {article['tracking_link']}"
        else:
            seen[row.plan.content_id].append(article["status"] == "show")
    for content_id in {row.plan.content_id for row in rows}:
        yield from shown(books, rows, content_id, seen[content_id])
    yield from pointed(rows, articles, broadcasts, journal)


def replayed(journal: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], list[list[str]]]:
    """The articles that stand, and what each broadcast pointed to."""
    articles: dict[str, Any] = {}
    broadcasts = []
    for fact in journal:
        match fact["kind"]:
            case "article_created" | "article_updated":
                articles[fact["id"]] = fact["payload"]
            case "article_removed":
                articles.pop(fact["id"], None)
            case "broadcast_sent":
                broadcasts.append(fact["articles"])
    return articles, broadcasts


def shown(books: Books, rows: list[Row], content_id: str, visible: list[bool]) -> Iterator[str]:
    """The public sees one article of an item, or none of a withdrawn one."""
    mine = [row for row in rows if row.plan.content_id == content_id and row.recipient == "article"]
    last = max(mine, key=lambda row: row.plan.revision)
    hidden = books.items[content_id].state == "withdrawn"
    if sum(visible) > 1:
        yield f"undeclared duplicate: {sum(visible)} visible articles of {content_id}"
    if last.letter in b"dD" and sum(visible) != (not hidden):
        yield f"contradiction: {last} of a {'withdrawn' if hidden else 'live'} item: {visible}"
    if visible.count(False) > 1:
        yield f"undeclared duplicate: {visible.count(False)} hidden articles of {content_id}"


def pointed(
    rows: list[Row],
    articles: Mapping[str, Any],
    broadcasts: list[list[str]],
    journal: Iterable[dict[str, Any]],
) -> Iterator[str]:
    """One broadcast per item at most, as the ledger says."""
    pages = {
        fact["id"]: fact["payload"]["tracking_link"].partition("#")[0].rpartition("/")[2]
        for fact in journal
        if fact["kind"] == "article_created"
    }
    sent = Counter(pages[id] for ids in broadcasts for id in ids)
    told: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row.recipient == "broadcast":
            told[row.plan.content_id].append(row)
    for content_id in {*sent, *told}:
        yield from broadcast(content_id, told[content_id], sent[content_id])


def broadcast(content_id: str, rows: list[Row], times: int) -> Iterator[str]:
    """Positions of one item share one broadcast: whichever came first sends it."""
    sure = sum(row.letter in b"dD" for row in rows)
    possible = sum(not row.never for row in rows)
    if times > 1:
        yield f"undeclared duplicate: {content_id} was broadcast {times} times"
    if times < sure:
        yield f"lost: {content_id} counts as broadcast, and was not"
    if times > possible:
        yield f"contradiction: {content_id} was broadcast, its rows say never"


# --- the portal


def site(books: Books, seen: Witnesses) -> Iterator[str]:
    shown = {row.plan.content_id: row for row in books.rows if row.plan.channel == "portal"}
    for content_id, row in shown.items():
        page = seen.portal / "tin" / content_id / "index.html"
        if row.letter in b"dD" and not page.exists():
            yield f"lost: {row} has no page"
        elif row.letter in b"dD" and books.items[content_id].title not in page.read_text():
            yield f"contradiction: the page of {row} has another title"
    for path in sorted((seen.portal / "nguon-tin").glob("*.*")):
        if path.suffix.removeprefix(".") in FEEDS:
            yield from feed(path, f"{seen.url}/nguon-tin/{path.name}")
    yield from entries(shown, seen)


def feed(path: Path, url: str) -> Iterator[str]:
    for broken in rules.check(path.read_bytes(), url):
        yield f"portal: {path.name} breaks {broken}"


def entries(shown: Iterable[str], seen: Witnesses) -> Iterator[str]:
    """Every item once in the feed of everything, which has room for all of them here or is full."""
    path = seen.portal / "nguon-tin" / "tat-ca.json"
    found = Counter(item["id"] for item in json.loads(path.read_bytes())["items"])
    urls = {f"{seen.url}/tin/{content_id}" for content_id in shown}
    for url, times in found.items():
        if times > 1:
            yield f"undeclared duplicate: {url} stands {times} times in the feed"
        if url not in urls:
            yield f"unexpected: {url} stands in the feed"
    missing = len(urls) - len(found)
    if missing and len(found) < FEED_LIMIT:
        yield f"lost: {missing} items are not in the feed"
