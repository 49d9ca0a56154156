"""Evidence for the judge, made by hand: the books of one item, and what its receivers noted."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from channels.zalo.publications.render import article_marker
from consumers.intake.items import Item, Position
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication
from contracts.records import EventRecord
from tests.deep.crash.ledger_oracle import AcceptedEvent
from tests.deep.crash.ledger_snapshot import LedgerSnapshot, Row
from tests.deep.crash.received_mail import TAKEN, ReceivedMail, mark, marks
from tests.support.publications import a_publication

AT = datetime(2026, 11, 25, tzinfo=UTC)
MAIL = PlanKey(ChannelName.EMAIL, "tin-1", 1)
SECOND = MAIL._replace(revision=2)
ZALO = PlanKey(ChannelName.ZALO, "tin-1", 1)
RECORD = EventRecord(hash="h", unit="u", content_id="tin-1", revision=1, type="t", at=AT)
ACCEPTED = AcceptedEvent("e1", "tin-1", 1, readers=frozenset({"a@example.com"}))
NOW = AT.timestamp()
TAKEN_BACK = {"action": "withdrawn", "body": "", "reason": "Đăng nhầm."}


def snapshot(*rows: Row, copies: int = 0, **more: Any) -> LedgerSnapshot:
    """One item with one released position, and some rows."""
    position = {"channels": ("email", "zalo"), "hash": "h", "unit": "u", "kind": "submitted"}
    said = Position(**position, event_id="e1", state="released", at=AT, released_at=AT, seq=1)
    batches = {row.batch for row in rows}
    entries = {
        batch: LedgerEntry(
            bytes(row.letter for row in rows if row.batch == batch),
            closed_at=1.0,
            possible_copies=copies,
        )
        for batch in batches
    }
    known = LedgerSnapshot(
        plans={plan: PlanCursor(complete=True) for plan in (MAIL, ZALO)},
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


def received_mails(*rows: Row) -> list[tuple[str, str]]:
    """Mails as the relay notes them."""
    domain = "loa.example"
    return [
        (f"{one.recipient}@example.com", keys.message_id(one.delivery_key, domain)) for one in rows
    ]


def text(revision: int = 1, **more: Any) -> Publication:
    """What was approved for a revision of the item."""
    said = {"title": f"Tin, lần {revision}", "body": mark("tin-1", revision)}
    return a_publication(content_id="tin-1", revision=revision, **(said | more))


def expected_texts(
    *rows: Row, texts: tuple[Publication, ...] = (text(), text(2)), **more: Any
) -> LedgerSnapshot:
    return snapshot(*rows, texts={one.key: one for one in texts}, **more)


def received_mail(one: Row, began: float = NOW, **more: Any) -> ReceivedMail:
    """A mail as the relay notes it, saying what it should."""
    known = text(one.plan.revision)
    got = ReceivedMail(
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


def article_fact(
    revision: int, at: float = NOW, status: str = "show", **wrong: Any
) -> dict[str, Any]:
    """An article comes to say a revision."""
    known, plan = text(revision), ZALO._replace(revision=revision)
    link = (
        f"https://cong.example/tin/tin-1#{article_marker(row('d', 'article', plan).delivery_key)}"
    )
    payload = {"tracking_link": link, "status": status, "title": known.title}
    payload |= {"body": [{"type": "text", "content": f"<p>{known.body}</p>"}]} | wrong
    kind = "article_created" if revision == 1 else "article_updated"
    return {"kind": kind, "id": "x", "real": at, "payload": payload}


def articles(*letters: str) -> list[Row]:
    return [
        row(letter, "article", ZALO._replace(revision=number))
        for number, letter in enumerate(letters, 1)
    ]
