"""`loa check --deep` finds each of many hand-made corruptions, by its rule and its key."""

from collections.abc import Awaitable, Callable

import pytest

from consumers.check.findings import load_rules
from consumers.ledger.entry import RowNote
from contracts.delivery import ChannelName
from tests.support.check_harness import DAY_S, CheckHarness
from tests.support.corruptions import (
    APPROVED,
    NEW,
    acknowledge_unread,
    decide_at_desk,
    duplicate_feed_entry,
    forge_index,
    forge_publication,
    lose_index,
    lose_publication,
    mark_unsent_delivered,
    record_unsent_event,
    truncate_portal_file,
    write_portal_file,
)
from tests.support.events import ITEM, corrected, event_id, register_unit, submitted, withdrawn

READERS = [f"r{number:04d}" for number in range(510)]
FIRST, REST = READERS[:500], READERS[500:]
WAITING, GONE = "tin-cho-duyet", "tin-da-go"
DESK_UNIT = "cuc-viec-lam"
MAIL, MAIL2 = f"email.{ITEM}.1", f"email.{ITEM}.2"
PAGE, PAGE2 = f"portal.{ITEM}.1.0", f"portal.{ITEM}.2.0"
RSS = "nguon-tin/tat-ca.rss"


def of_the_desk(content_id: str):
    data = {"author": "Trần Thị B"}
    return submitted(content_id, **data).model_copy(update={"source": f"/units/{DESK_UNIT}"})


@pytest.fixture
async def check_harness(bus, tmp_path):
    """One item was corrected, one approved, one withdrawn; one waits, one event was refused."""
    house = await CheckHarness(bus, tmp_path, READERS).open()
    await register_unit(bus, DESK_UNIT, release="desk")
    for event in (
        submitted(),
        corrected(title="Bộ Nội vụ có kênh trên Zalo"),
        submitted(revision=1),
    ):
        await house.send(event)
        await house.deliver_all(ITEM)
    for event in (submitted(GONE), withdrawn(GONE), submitted(ITEM, revision=2)):
        await house.send(event)
    for content_id in (APPROVED, WAITING):
        await house.send(of_the_desk(content_id), DESK_UNIT)
    await house.desk.approve(APPROVED, "Nguyễn Văn A")
    for content_id in (GONE, APPROVED):
        await house.deliver_all(content_id)
    yield house
    await house.close()


def open_rows(letter: bytes) -> bytes:
    return letter + b"d" * 499


Spoil = Callable[[CheckHarness], Awaitable[object]]
Found = list[tuple[str, str]]
CORRUPTIONS: dict[str, tuple[Spoil, float, Found]] = {
    "a plan is lost": (
        lambda h: h.bucket.purge(f"plan.{MAIL2}"),
        0,
        [
            ("plan-missing", f"plan.{MAIL2}"),
            ("orphan", f"state.{MAIL2}.0"),
            ("orphan", f"state.{MAIL2}.1"),
        ],
    ),
    "a plan was never finished": (
        lambda h: h.cursor(MAIL2, complete=False),
        DAY_S,
        [("plan-stuck", f"plan.{MAIL2}")],
    ),
    "a batch is lost": (
        lambda h: h.bucket.purge(f"state.{MAIL2}.1"),
        0,
        [("batch-missing", f"state.{MAIL2}.1"), ("rows-lost", f"plan.{MAIL2}")],
    ),
    "a plan counts more than there is": (
        lambda h: h.cursor(MAIL2, planned=511),
        0,
        [("rows-lost", f"plan.{MAIL2}")],
    ),
    "a plan goes on behind the wrong reader": (
        lambda h: h.cursor(MAIL2, last="r0400"),
        0,
        [("last-differs", f"plan.{MAIL2}")],
    ),
    "a batch lies beyond its plan": (
        lambda h: h.cursor(MAIL2, count=1, planned=500, last=FIRST[-1]),
        0,
        [("orphan", f"state.{MAIL2}.1"), ("correction-missing", f"plan.{MAIL2}")],
    ),
    "a state can't be read": (
        lambda h: h.bucket.put(f"state.{MAIL2}.1", b'{"v":1,"r":"ddd'),
        0,
        [("unreadable", f"state.{MAIL2}.1"), ("rows-lost", f"plan.{MAIL2}")],
    ),
    "a letter means nothing": (
        lambda h: h.state(f"{MAIL2}.0", rows=open_rows(b"?")),
        0,
        [("letter-unknown", f"state.{MAIL2}.0")],
    ),
    "a closed batch has an open row": (
        lambda h: h.state(f"{MAIL2}.0", rows=open_rows(b"p")),
        0,
        [("closed-with-open-rows", f"state.{MAIL2}.0")],
    ),
    "a closed batch has an owner": (
        lambda h: h.state(f"{MAIL2}.0", owner="w#1#1", lease_until=h.clock() + 60),
        0,
        [("closed-in-work", f"state.{MAIL2}.0")],
    ),
    "a batch was never closed": (
        lambda h: h.state(f"{MAIL2}.0", closed_at=0.0),
        60.0,
        [("never-closed", f"state.{MAIL2}.0")],
    ),
    "nobody works on a batch that is due": (
        lambda h: h.state(f"{MAIL2}.0", rows=open_rows(b"r"), closed_at=0.0),
        DAY_S,
        [("stuck", f"state.{MAIL2}.0")],
    ),
    "a row is being sent by nobody": (
        lambda h: h.state(
            f"{MAIL2}.0",
            rows=open_rows(b"s"),
            closed_at=0.0,
            owner="w#1#1",
            lease_until=h.clock() + 60,
            due=h.clock(),
        ),
        300.0,
        [("sending-stuck", f"state.{MAIL2}.0")],
    ),
    "the portal has been in doubt for a day": (
        lambda h: h.state(PAGE2, rows=b"P", closed_at=0.0, due=h.clock() + 2 * DAY_S),
        DAY_S,
        [("in-doubt-old", f"state.{PAGE2}")],
    ),
    "a row waits beyond the end of its time": (
        lambda h: h.state(
            f"{MAIL2}.0",
            rows=open_rows(b"r"),
            closed_at=0.0,
            due=h.clock() + 9 * DAY_S,
            notes={0: RowNote(1, h.clock() + 9 * DAY_S, "451", h.clock())},
        ),
        4 * DAY_S,
        [("overdue", f"state.{MAIL2}.0")],
    ),
    "a note is about no row": (
        lambda h: h.state(f"{MAIL2}.1", notes={10: RowNote(1, 0.0, "450")}),
        0,
        [("note-beyond", f"state.{MAIL2}.1")],
    ),
    "somebody was asked nine times in no time": (
        lambda h: h.state(f"{MAIL2}.1", notes={1: RowNote(9, 0.0, "450")}),
        0,
        [("too-many-attempts", f"state.{MAIL2}.1")],
    ),
    "the recipients of a batch are lost": (
        lambda h: h.bucket.purge(f"rows.{MAIL2}.1"),
        0,
        [("rows-missing", f"state.{MAIL2}.1"), ("correction-missing", f"plan.{MAIL2}")],
    ),
    "the recipients of a batch are cut": (
        lambda h: h.rows(f"{MAIL2}.1", *REST[:-1], corrections=frozenset(REST)),
        0,
        [
            ("rows-differ", f"state.{MAIL2}.1"),
            ("last-differs", f"plan.{MAIL2}"),
            ("correction-missing", f"plan.{MAIL2}"),
        ],
    ),
    "somebody stands in two batches": (
        lambda h: h.rows(f"{MAIL}.1", FIRST[-1], *REST[1:]),
        0,
        [("recipient-twice", f"state.{MAIL}.1"), ("correction-unfounded", f"plan.{MAIL2}")],
    ),
    "an older position goes on": (
        lambda h: h.cursor(MAIL, halt=""),
        0,
        [("order-broken", f"plan.{MAIL}")],
    ),
    "an older batch is still open": (
        lambda h: h.state(f"{MAIL}.0", rows=open_rows(b"P"), closed_at=0.0, due=h.clock() + 60),
        0,
        [("order-broken", f"state.{MAIL}.0")],
    ),
    "the newest position is halted": (
        lambda h: h.cursor(MAIL2, halt="v3"),
        0,
        [("halt-wrong", f"plan.{MAIL2}")],
    ),
    "a batch is halted and its plan is not": (
        lambda h: h.state(f"{MAIL2}.1", halt="v3"),
        0,
        [("halt-wrong", f"state.{MAIL2}.1")],
    ),
    "one who got the old text gets no correction": (
        lambda h: h.rows(f"{MAIL2}.1", *REST, corrections=frozenset(REST[1:])),
        0,
        [("correction-missing", f"plan.{MAIL2}")],
    ),
    "one who got nothing gets a correction": (
        lambda h: h.state(f"{MAIL}.0", rows=open_rows(b"x")),
        0,
        [("correction-unfounded", f"plan.{MAIL2}")],
    ),
    "an event is acknowledged and never taken in": (
        acknowledge_unread,
        0,
        [("event-lost", event_id(submitted(NEW)))],
    ),
    "an event is forgotten": (
        lambda h: h.bus.bucket("events").purge(event_id(corrected())),
        0,
        [
            ("event-lost", event_id(corrected())),
            ("publication-unexpected", f"publication.{ITEM}.2"),
        ],
    ),
    "an event was booked and never sent": (
        record_unsent_event,
        DAY_S,
        [("event-unpublished", event_id(submitted(NEW)))],
    ),
    "a message of CONTENT is gone": (
        lambda h: h.delete("CONTENT", 2),
        0,
        [("stream-gap", "CONTENT"), ("publication-unexpected", f"publication.{ITEM}.2")],
    ),
    "a publication is lost": (
        lose_publication,
        0,
        [
            ("stream-gap", "PUBLICATIONS"),
            ("publication-lost", f"publication.{ITEM}.2"),
            *(("publication-lost", f"plan.{one}.{ITEM}.2") for one in ChannelName),
            ("page-unexpected", f"tin/{ITEM}"),
        ],
    ),
    "a publication says something else": (
        lambda h: forge_publication(h, 2),
        0,
        [("text-differs", f"publication.{ITEM}.2")],
    ),
    "a publication that nobody released": (
        lambda h: forge_publication(h, 3),
        0,
        [("publication-unexpected", f"publication.{ITEM}.3")],
    ),
    "a record names another content": (
        lambda h: h.record("publications", f"{ITEM}.2", hash="x" * 52),
        0,
        [("text-differs", f"publication.{ITEM}.2")],
    ),
    "a release was never published": (
        lambda h: h.record("publications", f"{ITEM}.2", seq=None),
        DAY_S,
        [("release-unpublished", f"publication.{ITEM}.2")],
    ),
    "a draft is lost": (
        lambda h: h.bus.bucket("desk").purge(f"{WAITING}.1"),
        DAY_S,
        [("draft-lost", f"publication.{WAITING}.1")],
    ),
    "nobody approved": (
        lambda h: h.record("publications", f"{APPROVED}.1", decision=None),
        0,
        [("unapproved", f"publication.{APPROVED}.1")],
    ),
    "nobody approved, says an older record": (
        lambda h: h.record("publications", f"{APPROVED}.1", decision=None, policy=""),
        0,
        [("unapproved", f"publication.{APPROVED}.1")],
    ),
    "somebody approved afterwards": (
        lambda h: decide_at_desk(h, at="2030-01-01T00:00:00Z"),
        0,
        [("unapproved", f"publication.{APPROVED}.1")],
    ),
    "the author approved": (
        lambda h: decide_at_desk(h, by="Trần Thị B"),
        0,
        [("self-approved", f"publication.{APPROVED}.1")],
    ),
    "a row that was never sent is booked as delivered": (
        mark_unsent_delivered,
        0,
        [("page-missing", f"state.portal.{NEW}.1.0")],
    ),
    "a row that was shown is booked as failed": (
        lambda h: h.state(PAGE2, rows=b"x"),
        0,
        [("effect-unbooked", f"state.{PAGE2}")],
    ),
    "a page is torn": (
        lambda h: truncate_portal_file(h, f"tin/{ITEM}/index.html"),
        0,
        [("page-differs", f"tin/{ITEM}/index.html")],
    ),
    "a withdrawn page looks as if it stood": (
        lambda h: truncate_portal_file(h, f"tin/{GONE}/410.html"),
        0,
        [("page-differs", f"tin/{GONE}/410.html")],
    ),
    "a page that nobody published": (
        lambda h: write_portal_file(h, "tin/tin-gia/index.html", b"<html></html>"),
        0,
        [("page-unexpected", "tin/tin-gia/index.html")],
    ),
    "the index has another text": (
        forge_index,
        0,
        [("page-unexpected", f"tin/{ITEM}"), ("page-differs", f"tin/{ITEM}/index.html")],
    ),
    "a feed is cut": (
        lambda h: truncate_portal_file(h, RSS),
        0,
        [("feed-differs", RSS)],
    ),
    "an item stands twice in a feed": (
        lambda h: duplicate_feed_entry(h, RSS),
        0,
        [("feed-differs", RSS)],
    ),
    "the portal's index is lost": (lose_index, 0, [("index-lost", "portal")]),
    "a killed writer left something": (
        lambda h: write_portal_file(h, "../state/aside/3.tmp", b"<html>"),
        0,
        [("aside-left", "state/aside/3.tmp")],
    ),
    "the article's id is forgotten": (
        lambda h: h.bucket.purge(f"note.zalo.app.{ITEM}"),
        0,
        [("article-unnoted", f"state.zalo.{ITEM}.{one}.0") for one in (1, 2)],
    ),
}


@pytest.mark.promise("3.9")
async def test_a_house_in_order_is_found_in_order_however_late_one_looks(check_harness):
    """Otherwise the time alone could be what is found below."""
    for later_s in sorted({later_s for _, later_s, _ in CORRUPTIONS.values()}):
        findings = await check_harness.check(later_s=later_s)
        assert (findings.ok, findings.violations, findings.skipped) == (True, [], [])
    assert findings.checked == {
        "events": 8, "publications": 5, "positions": 6, "plans": 15, "batches": 17, "rows": 2052,
        "items": 3, "files": 78,
    }  # fmt: skip


@pytest.mark.promise("3.9")
@pytest.mark.parametrize("what", CORRUPTIONS)
async def test_each_corruption_is_found_and_named(check_harness, what):
    spoil, later_s, expected = CORRUPTIONS[what]
    await spoil(check_harness)
    assert await check_harness.violations(later_s=later_s) == sorted(expected)


def test_every_rule_has_its_corruption():
    tried = {rule for _, _, found in CORRUPTIONS.values() for rule, _ in found}
    elsewhere = {"event-stuck", "notice-shape", "notice-twice"}  # test_check_events, _cases_seen
    elsewhere |= {"digest-stopped", "digest-twice"}  # test_digest_books
    assert tried | elsewhere == set(load_rules())
