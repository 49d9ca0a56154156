"""The judge sees what it is there to see: each kind of contradiction, planted by hand, is named."""

import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from channels.zalo.publications.render import article_marker
from consumers.intake.items import Item, Position
from consumers.ledger.cursor import PlanCursor
from consumers.ledger.entry import LedgerEntry
from contracts import keys
from contracts.delivery import BatchKey, ChannelName, PlanKey
from contracts.publication import Publication
from contracts.records import EventRecord
from contracts.subscriptions.digest import DigestItem, Issue
from tests.deep.crash.evidence import (
    AcceptedEvent,
    LedgerSnapshot,
    ReceiverRecords,
    Row,
    approved_marks,
)
from tests.deep.crash.ledger_oracle import judge
from tests.deep.crash.receiver import LATER, TAKEN, ReceivedMail, mark
from tests.support.portal_dir import publish
from tests.support.publications import a_publication

AT = datetime(2026, 11, 25, tzinfo=UTC)
T = AT.timestamp()
URL = "https://cong.example"
EMAIL, PORTAL, ZALO = (
    PlanKey(ChannelName(name), "tin-1", 1) for name in ("email", "portal", "zalo")
)
DIGEST = EMAIL._replace(content_id="digest-daily-2026-11-26")
CASE = ZALO._replace(content_id=keys.case_content_id("G09.20-20260609-0000001"))
CORRECTED_S = 60.0
"""How much later the correction came."""
WITHDRAWAL = {"action": "withdrawn", "body": "", "reason": "Đăng nhầm."}


def second(plan: PlanKey) -> PlanKey:
    return plan._replace(revision=2)


def text(revision: int, **changes: Any) -> Publication:
    words = {"title": f"Tin, lần {revision}", "body": mark("tin-1", revision)}
    return a_publication(**{"content_id": "tin-1", "revision": revision} | words | changes)


def ledger_row(plan: PlanKey, recipient: str, picks: int = 0) -> Row:
    return Row(plan, recipient, ord("d"), BatchKey(*plan, 0), picks)


def mail(row: Row, address: str, at: float, subject: str, revision: int) -> ReceivedMail:
    said = (approved_marks(text(revision)),) * 2
    message_id = keys.message_id(row.delivery_key, "loa.example")
    return ReceivedMail(address, message_id, TAKEN, at, at, subject, said, row.delivery_key)


def article(revision: int, at: float, id: str = "x", **changes: Any) -> dict[str, Any]:
    """An article comes to say a revision."""
    row = ledger_row(ZALO._replace(revision=revision), "article")
    payload = {
        "tracking_link": f"{URL}/tin/tin-1#{article_marker(row.delivery_key)}",
        "status": "show",
        "title": text(revision).title,
        "body": [{"type": "text", "content": text(revision).body}],
    }
    kind = "article_updated" if revision == 2 and id == "x" else "article_created"
    return {"kind": kind, "id": id, "real": at, "payload": payload | changes}


def broadcast(at: float) -> dict[str, Any]:
    return {"kind": "broadcast_sent", "real": at, "articles": ["x"]}


def template(row: Row) -> dict[str, Any]:
    message = {"tracking_id": keys.tracking_id(row.delivery_key)}
    return {"kind": "template_sent", "message": message}


class Evidence:
    """An item and its correction on every channel, a digest with it, a case notice; all agree."""

    outages: Sequence[tuple[float, float]] = ()
    troubles: Sequence[tuple[float, float]] = ()

    def __init__(self, public: Path) -> None:
        self.rows = {
            "mail": ledger_row(EMAIL, "a"),
            "correction": ledger_row(second(EMAIL), "a"),
            "digest": ledger_row(DIGEST, "g", picks=0b1),
            "page": ledger_row(PORTAL, "portal"),
            "new page": ledger_row(second(PORTAL), "portal"),
            "article": ledger_row(ZALO, "article"),
            "broadcast": ledger_row(ZALO, "broadcast"),
            "new article": ledger_row(second(ZALO), "article"),
            "notice": ledger_row(CASE, "c1"),
        }
        self.mails = {
            "mail": mail(self.rows["mail"], "a@example.com", T + 1, text(1).title, 1),
            "correction": mail(
                self.rows["correction"], "a@example.com", T + 62, f"Đính chính: {text(2).title}", 2
            ),
            "digest": mail(self.rows["digest"], "g@example.com", T + 121, "Bản tin (1 tin)", 2),
        }
        self.journal = [article(1, T + 1), broadcast(T + 2), article(2, T + 62)]
        self.journal.append(template(self.rows["notice"]))
        self.told = [
            AcceptedEvent(
                f"e{n}", "tin-1", n, frozenset({"a@example.com"}), text(n).title, text(n).body,
                frozenset({"g@example.com"}),
            )
            for n in (1, 2)
        ]  # fmt: skip
        self.told.append(AcceptedEvent("c1", CASE.content_id, 0))
        self.public, self.kills, self.extra = public, list[float](), list[ReceivedMail]()
        self.copies, self.books = 0, self.agreeing_books()

    def agreeing_books(self) -> LedgerSnapshot:
        record = EventRecord(hash="h", unit="u", content_id="i", revision=1, type="t", at=AT)
        first = PlanCursor(complete=True, created=T, finished=T + 1)
        later = replace(first, created=T + CORRECTED_S, finished=T + CORRECTED_S + 1)
        item = {"unit": "u", "state": "released"}
        issue = Issue(
            digest_id=DIGEST.content_id, revision=1, frequency="daily", after=0, upto=2, since=AT,
            at=AT, due=AT, issued=AT,
            items=(DigestItem(content_id="tin-1", revision=2, seq=2),),
        )  # fmt: skip
        books = LedgerSnapshot(
            plans=dict.fromkeys((EMAIL, PORTAL, ZALO, DIGEST), first)
            | dict.fromkeys(map(second, (EMAIL, PORTAL, ZALO)), later),
            items={
                "tin-1": Item(positions={1: "e1", 2: "e2"}, released={1: AT, 2: AT}, **item),
                CASE.content_id: Item(positions={1: "c1"}, released={1: AT}, **item),
            },
            positions={f"tin-1.{n}": self.position(n) for n in (1, 2)},
            events=dict.fromkeys(("e1", "e2", "c1"), record),
            texts={f"tin-1.{n}": text(n) for n in (1, 2)},
            addresses={id: f"{id}@example.com" for id in "abg"},
            issues={f"{DIGEST.content_id}.1": issue},
        )
        books.published.update(["tin-1.1", "tin-1.2"])
        return books

    def position(self, number: int, **changes: Any) -> Position:
        fields = {
            "channels": ("email", "portal", "zalo"), "hash": "h", "unit": "u", "kind": "submitted",
            "event_id": f"e{number}", "state": "released", "at": AT, "released_at": AT, "seq": 1,
        }  # fmt: skip
        return Position(**fields | changes)

    def judge(self) -> list[str]:
        self.books.rows = list(self.rows.values())
        for row in self.books.rows:
            letters = bytes(each.letter for each in self.books.rows if each.batch == row.batch)
            self.books.entries[row.batch] = LedgerEntry(
                letters, created=T, closed_at=T + 180, possible_copies=self.copies
            )
        mails = [*self.mails.values(), *self.extra]
        faults = {"kills": self.kills, "outages": self.outages, "troubles": self.troubles}
        seen = ReceiverRecords(mails, self.journal, self.public, URL, **faults)
        return judge(self.books, self.told, seen)

    # --- what can be planted

    def row(self, name: str, letter: str) -> None:
        self.rows[name] = replace(self.rows[name], letter=ord(letter))

    def mail(self, name: str, **changes: Any) -> None:
        self.mails[name] = replace(self.mails[name], **changes)

    def repeat(self, name: str = "mail", **changes: Any) -> None:
        self.extra.append(replace(self.mails[name], **changes))

    def tries(self, *gaps_s: float) -> None:
        """The first mail was put off again and again."""
        self.mail("mail", reply=LATER, began=T, ended=T)
        for number in range(1, len(gaps_s) + 1):
            at = T + sum(gaps_s[:number])
            self.repeat(began=at, ended=at)

    def mails_behind_the_halt(self, count: int) -> None:
        for number in range(count):
            row = self.rows[f"r{number}"] = ledger_row(EMAIL, f"r{number}")
            self.books.addresses[row.recipient] = "a@example.com"
            self.extra.append(mail(row, "a@example.com", T + CORRECTED_S + 0.1, text(1).title, 1))

    def fact(self, number: int, **changes: Any) -> None:
        fact = self.journal[number]
        self.journal[number] = fact | {"payload": fact["payload"] | changes}

    def event(self, number: int, **changes: Any) -> None:
        self.told[number] = replace(self.told[number], **changes)

    def refuse(self, event_id: str) -> None:
        wrong = {"field": "data.revision", "message": "m", "message_vi": "m"}
        record = self.books.events[event_id].model_copy(update={"refused": (wrong,)})
        self.books.events[event_id] = record

    def item(self, **changes: Any) -> None:
        self.books.items["tin-1"] = self.books.items["tin-1"].model_copy(update=changes)

    def state(self, **changes: Any) -> None:
        self.books.positions["tin-1.1"] = self.position(1, **changes)

    def withdraw(self) -> None:
        self.books.texts["tin-1.2"] = text(2, **WITHDRAWAL)

    @property
    def page(self) -> Path:
        return self.public / "tin" / "tin-1" / "index.html"

    def feed(self, change: Callable[[list[dict[str, Any]]], object]) -> None:
        path = self.public / "nguon-tin" / "tat-ca.json"
        document = json.loads(path.read_text())
        change(document["items"])
        path.write_text(json.dumps(document))


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("portal")
    publish(folder, text(1), text(2, action="corrected"), url=URL)
    return folder / "public"


@pytest.fixture
def evidence(portal, tmp_path):
    return Evidence(Path(shutil.copytree(portal, tmp_path / "public")))


def test_books_and_receivers_that_agree_are_acquitted(evidence):
    assert evidence.judge() == []


def test_a_declared_copy_and_a_doubt_that_has_a_cause_are_no_fault(evidence):
    evidence.row("correction", "D")
    evidence.row("broadcast", "k")
    evidence.copies, evidence.kills = 1, [T + 62.5]
    evidence.repeat("correction")
    assert evidence.judge() == []


@pytest.mark.parametrize(
    ("trouble", "is_explained"),
    [((T - 9, T + 1), True), ((T + 60, T + 62), True), ((T - 9, T - 1), False)],
)
def test_a_trouble_of_the_bus_explains_a_doubt_of_its_time(evidence, trouble, is_explained):
    evidence.row("broadcast", "k")
    evidence.troubles = [trouble]
    assert ("zalo has 1 doubts" not in str(evidence.judge())) is is_explained


@pytest.mark.parametrize(
    ("outage", "is_late"),
    [((T + 61, T + 65.9), True), ((T + 61, T + 66.1), False), ((T + 30, T + 60.1), True)],
)
def test_a_window_that_waits_for_the_bus_may_go_out_later(evidence, outage, is_late):
    evidence.withdraw()
    evidence.journal[1].update(real=T + 75)
    evidence.outages = [outage]
    evidence.mails_behind_the_halt(1)
    assert ("tin-1 was broadcast, withdrawn" in str(evidence.judge())) is is_late


PLANTED: list[tuple[str, Callable[[Evidence], object]]] = [
    # what was accepted is there, and has ended
    ("tin-1 revision 1 (e1) is in no book", lambda e: e.books.events.pop("e1")),
    ("tin-1 revision 2 (e2) was refused: ", lambda e: e.refuse("e2")),
    ("was refused and is no dead letter", lambda e: e.refuse("e1")),
    ("tin-1 revision 1 (e1) has no position", lambda e: e.item(positions={2: "e2"})),
    ("unexpected: tin-1.1 comes from e1", lambda e: e.told.pop(0)),
    ("has no record of its position", lambda e: e.books.positions.pop("tin-1.1")),
    ("was refused: not-admitted", lambda e: e.state(state="refused", code="not-admitted")),
    (
        "is scheduled and was never released",
        lambda e: (e.state(state="scheduled"), e.item(released={2: AT})),
    ),
    ("(c1) was never told to anybody", lambda e: e.rows.pop("notice")),
    ("tin-1.1 counts as released and is not in the", lambda e: e.books.published.pop("tin-1.1")),
    ("tin-1.1 does not know where it was published", lambda e: e.state(seq=None)),
    ("tin-1.1 was never planned for zalo", lambda e: e.books.plans.pop(ZALO)),
    ("unfinished: plan email.tin-1.1", lambda e: e.books.plans.update({EMAIL: PlanCursor()})),
    ("unfinished: email.tin-1.1.0 p", lambda e: e.row("mail", "p")),
    ("released 2 times: tin-1.1", lambda e: e.books.published.update(["tin-1.1"])),
    ("tin-1.1 was released with another text", lambda e: e.event(0, title="Khác")),
    ("tin-1.2 was released with another text", lambda e: e.event(1, body="Khác")),
    # mails and digests
    ("unexpected: a mail <x@loa>", lambda e: e.mail("mail", message_id="<x@loa>")),
    ("reached b@example.com", lambda e: e.mail("mail", address="b@example.com")),
    ("lost: email.tin-1.1 a (d) counts as delivered", lambda e: e.mails.pop("mail")),
    ("contradiction: email.tin-1.1 a (x) counts as never", lambda e: e.row("mail", "x")),
    ("undeclared duplicate: email.tin-1.1 a (d)", lambda e: e.repeat()),
    (
        "undeclared duplicate: email.tin-1.1.0 has 1 copies and declares 0",
        lambda e: (e.row("mail", "D"), e.repeat()),
    ),
    ("order: email.tin-1.1 arrived in", lambda e: e.repeat()),
    (
        "1 readers are not in email.tin-1.1",
        lambda e: e.event(0, readers=frozenset({"b@example.com"})),
    ),
    ("the mail for email.tin-1.1 a (d) says 'Khác'", lambda e: e.mail("mail", subject="Khác")),
    (
        "wrong text: the mail for email.tin-1.1",
        lambda e: e.mail("mail", marks=(("tin-1.1",), ("tin-1.1", "tin-1.2"))),
    ),
    (
        "wrong text: the mail for email.tin-1.2",
        lambda e: e.books.texts.update({"tin-1.2": text(2, **WITHDRAWAL)}),
    ),
    ("a copy of the mail for email.tin-1.1", lambda e: e.repeat(digest="another")),
    ("the mail for email.digest-daily", lambda e: e.mail("digest", marks=(("tin-1.1",),))),
    ("says 'Bản tin (2 tin)'", lambda e: e.mail("digest", subject="Bản tin (2 tin)")),
    (
        "undeclared duplicate: g@example.com has email.tin-1.2 in",
        lambda e: e.rows.update(other=ledger_row(second(EMAIL), "g")),
    ),
    ("g@example.com reads digests and has no mail", lambda e: e.rows.pop("digest")),
    # the portal
    ("tin-1.2 portal (x) is the newest, and was never shown", lambda e: e.row("new page", "x")),
    ("tin-1.2 portal (d) has no page", lambda e: e.page.unlink()),
    ("wrong text: the page of", lambda e: e.page.write_text(f"{text(2).title} {text(1).body}")),
    (
        "portal: tat-ca.rss breaks",
        lambda e: (e.public / "nguon-tin" / "tat-ca.rss").write_text("<rss/>"),
    ),
    ("stands 2 times in the feed", lambda e: e.feed(lambda items: items.append(items[0]))),
    (
        "/tin/tin-9 stands in the feed",
        lambda e: e.feed(lambda i: i.append({**i[0], "id": f"{URL}/tin/tin-9"})),
    ),
    (
        "stands in the feed with ('tin-1.1',)",
        lambda e: e.feed(lambda items: items[0].update(content_html=text(1).body)),
    ),
    ("1 items are not in the feed", lambda e: e.feed(lambda items: items.clear())),
    # the Official Account
    (
        "unexpected: an article https://cong.example/tin/tin-1#m",
        lambda e: e.fact(2, tracking_link=f"{URL}/tin/tin-1#m"),
    ),
    ("that has no row", lambda e: e.journal.append(template(ledger_row(CASE, "c2")))),
    ("c1 (d) was sent 2 times", lambda e: e.journal.append(e.journal[3])),
    ("c1 (x) counts as never sent, and was", lambda e: e.row("notice", "x")),
    ("c1 (d) counts as delivered, Zalo has nothing", lambda e: e.journal.pop(3)),
    ("counts as delivered, and revision 1 stands", lambda e: e.journal.pop(2)),
    ("wrong text: the article of zalo.tin-1.2", lambda e: e.fact(2, title="Khác")),
    (
        "wrong text: the article of zalo.tin-1.2",
        lambda e: e.fact(2, body=[{"content": text(1).body}]),
    ),
    ("2 visible articles of tin-1", lambda e: e.journal.append(article(2, T + 63, "y"))),
    ("of a live item: [False]", lambda e: e.fact(2, status="hide")),
    ("2 articles of tin-1", lambda e: e.journal.append(article(2, T + 63, "y", status="hide"))),
    ("tin-1 was broadcast 2 times", lambda e: e.journal.append(broadcast(T + 3))),
    ("tin-1 counts as broadcast, and was not", lambda e: e.journal.pop(1)),
    ("tin-1 was broadcast, its rows say never", lambda e: e.row("broadcast", "x")),
    # order and withdrawals
    (
        "order: a mail for email.tin-1.1 a (d) began 11.0 s behind the halt",
        lambda e: e.mail("mail", began=T + 71, ended=T + 71),
    ),
    (
        "order: a mail for email.tin-1.1 a (d) ended when revision 2 was planned",
        lambda e: e.mail("mail", began=T + 60.5, ended=T + 61.5),
    ),
    (
        "after withdrawal: a mail for email.tin-1.1",
        lambda e: (e.withdraw(), e.mail("mail", began=T + 71, ended=T + 71)),
    ),
    ("26 mails of email.tin-1.1.0 behind the halt", lambda e: e.mails_behind_the_halt(26)),
    ("order: the article of zalo.tin-1.1", lambda e: e.journal.insert(2, article(1, T + 75))),
    ("was shown after revision 2", lambda e: e.journal.append(article(1, T + 63))),
    (
        "after withdrawal: tin-1 was broadcast",
        lambda e: (e.withdraw(), e.journal[1].update(real=T + 75)),
    ),
    # bounds
    ("email.tin-1.1.0 has 1 doubts, 0 have a cause", lambda e: e.row("mail", "D")),
    (
        "email.tin-1.1.0 has 26 doubts, 25 have a cause",
        lambda e: (setattr(e, "copies", 26), e.kills.extend([T - 1, T + 5, T + 181])),
    ),
    ("zalo has 1 doubts for 0 lost answers", lambda e: e.row("broadcast", "k")),
    ("tried too often: email.tin-1.1 a (d) 9 times", lambda e: e.tries(*[3.0] * 8)),
    ("was tried 1.40 s after it was put off", lambda e: e.tries(1.4)),
    ("was tried 1.90 s after it was put off", lambda e: e.tries(2.5, 1.9)),
]


@pytest.mark.promise("3.3")
@pytest.mark.parametrize(("fault", "plant"), PLANTED, ids=[fault for fault, _ in PLANTED])
def test_each_kind_of_contradiction_is_named(evidence, fault, plant):
    plant(evidence)
    assert any(fault in named for named in evidence.judge()), evidence.judge()
