"""Evidence for the judge, made by hand: the books of one item, and what its receivers noted."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from channels.zalo.render import marker
from consumers.items import Item, Position
from consumers.ledger.cursor import Cursor
from consumers.ledger.entry import Entry
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication
from contracts.records import EventRecord
from tests.builders import a_publication
from tests.crash.received import TAKEN, Got, mark, marks
from tests.judge import Told
from tests.judge_books import Books, Row

AT = datetime(2026, 11, 25, tzinfo=UTC)
MAIL = PlanKey(ChannelName.EMAIL, "tin-1", 1)
SECOND = MAIL._replace(revision=2)
ZALO = PlanKey(ChannelName.ZALO, "tin-1", 1)
RECORD = EventRecord(hash="h", unit="u", content_id="tin-1", revision=1, type="t", at=AT)
TOLD = Told("e1", "tin-1", 1, readers=frozenset({"a@example.com"}))
NOW = AT.timestamp()
TAKEN_BACK = {"action": "withdrawn", "body": "", "reason": "Đăng nhầm."}


def books(*rows: Row, copies: int = 0, **more: Any) -> Books:
    """One item with one released position, and some rows."""
    position = {"channels": ("email", "zalo"), "hash": "h", "unit": "u", "kind": "submitted"}
    said = Position(**position, event_id="e1", state="released", at=AT, released_at=AT, seq=1)
    batches = {row.batch for row in rows}
    entries = {
        batch: Entry(
            bytes(row.letter for row in rows if row.batch == batch), closed=1.0, copies=copies
        )
        for batch in batches
    }
    known = Books(
        plans={plan: Cursor(complete=True) for plan in (MAIL, ZALO)},
        entries=entries,
        rows=list(rows),
        items={"tin-1": Item(unit="u", state="released", positions={1: "e1"}, released={1: AT})},
        positions={"tin-1.1": said},
        events={"e1": RECORD},
        addresses={"a": "a@example.com", "b": "b@example.com"},
    )
    known.published["tin-1.1"] = 1
    return replace(known, **more)


def row(letter: str, recipient: str = "a", plan: PlanKey = MAIL) -> Row:
    return Row(plan, recipient, ord(letter), BatchKey(*plan, 0))


def got(*rows: Row) -> list[tuple[str, str]]:
    """Mails as the relay notes them."""
    domain = "loa.example"
    return [
        (f"{one.recipient}@example.com", keys.message_id(one.delivery_key, domain)) for one in rows
    ]


def text(revision: int = 1, **more: Any) -> Publication:
    """What was approved for a revision of the item."""
    said = {"title": f"Tin, lần {revision}", "body": mark("tin-1", revision)}
    return a_publication(content_id="tin-1", revision=revision, **(said | more))


def said(*rows: Row, texts: tuple[Publication, ...] = (text(), text(2)), **more: Any) -> Books:
    return books(*rows, texts={one.key: one for one in texts}, **more)


def mailed(one: Row, began: float = NOW, **more: Any) -> Got:
    """A mail as the relay notes it, saying what it should."""
    known = text(one.plan.revision)
    got = Got(
        f"{one.recipient}@example.com",
        keys.message_id(one.delivery_key, "loa.example"),
        TAKEN,
        began,
        began,
        f"Đính chính: {known.title}",
        (marks(known.body), marks(known.body)),
        one.delivery_key,
    )
    return replace(got, **more)


def fact(revision: int, at: float = NOW, status: str = "show", **wrong: Any) -> dict[str, Any]:
    """An article comes to say a revision."""
    known, plan = text(revision), ZALO._replace(revision=revision)
    link = f"https://cong.example/tin/tin-1#{marker(row('d', 'article', plan).delivery_key)}"
    payload = {"tracking_link": link, "status": status, "title": known.title}
    payload |= {"body": [{"type": "text", "content": f"<p>{known.body}</p>"}]} | wrong
    kind = "article_created" if revision == 1 else "article_updated"
    return {"kind": kind, "id": "x", "real": at, "payload": payload}


def articles(*letters: str) -> list[Row]:
    return [
        row(letter, "article", ZALO._replace(revision=number))
        for number, letter in enumerate(letters, 1)
    ]
