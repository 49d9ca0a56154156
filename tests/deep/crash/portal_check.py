"""The portal: what its pages and feeds say, laid beside the ledger."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from html import unescape
from pathlib import Path

from channels.portal.index.listings import FEED_LIMIT
from tests.deep.crash.evidence import LedgerSnapshot, Row, approved_marks
from tests.deep.crash.receiver import marks
from tests.support.feed_rules import check

FEEDS = ("rss", "atom", "json")


def site_errors(books: LedgerSnapshot, public: Path, url: str) -> Iterator[str]:
    shown = newest(row for row in books.rows if row.plan.channel == "portal")
    for content_id, row in shown.items():
        page = public / "tin" / content_id / "index.html"
        if row.letter not in b"dD":
            yield f"lost: {row} is the newest, and was never shown"
        elif not page.exists():
            yield f"lost: {row} has no page"
        else:
            yield from page_errors(books, row, page.read_text())
    for path in sorted((public / "nguon-tin").glob("*.*")):
        if path.suffix.removeprefix(".") in FEEDS:
            for broken in check.check_feed(path.read_bytes(), f"{url}/nguon-tin/{path.name}"):
                yield f"portal: {path.name} breaks {broken}"
    yield from entry_errors(books, shown, public, url)


def newest(rows: Iterable[Row]) -> dict[str, Row]:
    """The highest revision of each item."""
    return {row.plan.content_id: row for row in sorted(rows, key=lambda row: row.plan.revision)}


def page_errors(books: LedgerSnapshot, row: Row, page: str) -> Iterator[str]:
    """A page says what was approved as the newest, and nothing of an older text."""
    text = books.texts.get(row.text)
    if text and (text.title not in unescape(page) or marks(page) != approved_marks(text)):
        yield f"wrong text: the page of {row} says {marks(page)}"


def entry_errors(
    books: LedgerSnapshot, shown: dict[str, Row], public: Path, url: str
) -> Iterator[str]:
    """Every item once in the feed of everything, which has room for all of them here or is full."""
    path = public / "nguon-tin" / "tat-ca.json"
    items = json.loads(path.read_bytes())["items"]
    entries = Counter(item["id"] for item in items)
    urls = {f"{url}/tin/{content_id}": row for content_id, row in shown.items()}
    for address, times in entries.items():
        if times > 1:
            yield f"undeclared duplicate: {address} stands {times} times in the feed"
        if address not in urls:
            yield f"unexpected: {address} stands in the feed"
    for item in items:
        row = urls.get(item["id"])
        text = books.texts.get(row.text) if row else None
        if text and marks(item["content_html"]) != approved_marks(text):
            yield f"wrong text: {row} stands in the feed with {marks(item['content_html'])}"
    missing = len(urls) - len(entries)
    if missing and len(entries) < FEED_LIMIT:
        yield f"lost: {missing} items are not in the feed"
