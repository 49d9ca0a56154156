"""The Official Account: what its journal says, laid beside the ledger."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from channels.zalo.publications.render import article_marker
from contracts import keys
from contracts.publication import Publication
from tests.deep.crash.evidence import LedgerSnapshot, Row, approved_marks
from tests.deep.crash.receiver import marks

ARTICLE = "article"
TEMPLATE = "template_sent"


def zalo_errors(
    books: LedgerSnapshot, journal: list[dict[str, Any]], answers_lost: int
) -> Iterator[str]:
    every = [row for row in books.rows if row.plan.channel == "zalo"]
    yield from notice_errors([row for row in every if keys.is_case(row.plan.content_id)], journal)
    rows = [row for row in every if not keys.is_case(row.plan.content_id)]
    articles, broadcasts = replayed(journal)
    markers = by_marker(rows)
    seen: defaultdict[str, list[bool]] = defaultdict(list)
    for article in articles.values():
        row = markers.get(marker_of(article))
        if row is None:
            yield f"unexpected: an article {article['tracking_link']}"
        else:
            seen[row.plan.content_id].append(article["status"] == "show")
    for content_id in {row.plan.content_id for row in rows}:
        yield from visibility_errors(books, rows, content_id, seen[content_id])
        yield from spare_errors(content_id, seen[content_id], answers_lost)
    yield from text_errors(books, rows, articles)
    yield from broadcast_errors(rows, broadcast_items(broadcasts, journal))


def notice_errors(rows: Iterable[Row], journal: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    """A template message costs money and can't be taken back: one at most for each row."""
    sent = Counter(f["message"]["tracking_id"] for f in journal if f["kind"] == TEMPLATE)
    expected = {keys.tracking_id(row.delivery_key): row for row in rows}
    for tracking, times in sent.items():
        row = expected.get(tracking)
        if row is None:
            yield f"unexpected: a template message {tracking} that has no row"
        elif times > 1:
            yield f"undeclared duplicate: {row} was sent {times} times"
        elif row.never:
            yield f"contradiction: {row} counts as never sent, and was"
    for tracking, row in expected.items():
        if row.letter in b"dD" and not sent[tracking]:
            yield f"lost: {row} counts as delivered, Zalo has nothing"


def text_errors(
    books: LedgerSnapshot, rows: list[Row], articles: Mapping[str, Any]
) -> Iterator[str]:
    """The last article is the newest revision, in the words that were approved for it."""
    markers = by_marker(rows)
    ordered = sorted(markers.values(), key=lambda row: row.plan.revision)
    newest = {row.plan.content_id: row for row in ordered}
    for article in articles.values():
        row = markers.get(marker_of(article))
        if row is None:
            continue  # `zalo_errors` names it
        last, text = newest[row.plan.content_id], books.texts.get(row.text)
        if last.letter in b"dD" and row != last:
            yield f"wrong text: {last} counts as delivered, and revision {row.plan.revision} stands"
        if text and not article_says(article, text):
            yield f"wrong text: the article of {row} says {article['title']!r}"


def article_says(article: Mapping[str, Any], text: Publication) -> bool:
    body = " ".join(part.get("content", "") for part in article["body"])
    return article["title"] == text.title and marks(body) == approved_marks(text)


def by_marker(rows: Iterable[Row]) -> dict[str, Row]:
    return {article_marker(row.delivery_key): row for row in rows if row.recipient == ARTICLE}


def marker_of(article: Mapping[str, Any]) -> str:
    """Delivery that made it, by its link."""
    return str(article["tracking_link"].rpartition("#")[2])


def replayed(journal: Iterable[dict[str, Any]]) -> tuple[dict[str, Any], list[list[str]]]:
    """The articles that are left, and what each broadcast pointed to."""
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


def visibility_errors(
    books: LedgerSnapshot, rows: list[Row], content_id: str, visible: list[bool]
) -> Iterator[str]:
    """The public sees one article of an item, or none of a withdrawn one."""
    mine = [row for row in rows if row.plan.content_id == content_id and row.recipient == ARTICLE]
    last = max(mine, key=lambda row: row.plan.revision)
    hidden = books.items[content_id].state == "withdrawn"
    if sum(visible) > 1:
        yield f"undeclared duplicate: {sum(visible)} visible articles of {content_id}"
    if last.letter in b"dD" and sum(visible) != (not hidden):
        yield f"contradiction: {last} of a {'withdrawn' if hidden else 'live'} item: {visible}"


def spare_errors(content_id: str, visible: list[bool], answers_lost: int) -> Iterator[str]:
    """An item has one article; a creation whose answer was lost may leave one more, hidden."""
    if len(visible) > 1 + (answers_lost > 0):
        yield f"undeclared duplicate: {len(visible)} articles of {content_id}"


def broadcast_errors(rows: list[Row], sent: Counter[str]) -> Iterator[str]:
    """One broadcast per item at most: whichever of its positions came first sends it."""
    for content_id in {*sent, *(row.plan.content_id for row in rows)}:
        times = sent[content_id]
        mine = [row for row in rows if row.plan.content_id == content_id]
        letters = [row for row in mine if row.recipient == "broadcast"]
        if times > 1:
            yield f"undeclared duplicate: {content_id} was broadcast {times} times"
        if times < sum(row.letter in b"dD" for row in letters):
            yield f"lost: {content_id} counts as broadcast, and was not"
        if times > sum(not row.never for row in letters):
            yield f"contradiction: {content_id} was broadcast, its rows say never"


def broadcast_items(broadcasts: list[list[str]], journal: Iterable[dict[str, Any]]) -> Counter[str]:
    """How often each item was broadcast."""
    pages = contents(journal)
    return Counter(pages[id] for ids in broadcasts for id in ids)


def contents(journal: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The item of each article."""
    return {
        fact["id"]: fact["payload"]["tracking_link"].partition("#")[0].rpartition("/")[2]
        for fact in journal
        if fact["kind"] == "article_created"
    }
