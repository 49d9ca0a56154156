"""`loa check --deep` finds each of many hand-made corruptions, by its rule and its key."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from shutil import copytree
from typing import Any, NamedTuple

import pytest

from consumers.check.findings import load_rules
from consumers.editorial.log import EditorialLog
from consumers.ledger.entry import RowNote
from contracts import publication, subjects
from contracts.base.times import utc_now
from contracts.bulletins.correction import TELLS_WITHDRAWN
from contracts.bulletins.sequence import DAYS, ITEM_TWICE, NUMBER_MISSING, NUMBER_TWICE
from contracts.delivery import ChannelName
from contracts.editorial import Action
from contracts.keys import content_hash
from producers.bus import Bus, topology
from producers.nats_server import NatsServer
from producers.seals import publish_sealed
from tests.support.check_harness import DAY_S, CheckHarness, acknowledge_all
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    corrected,
    event_id,
    register_unit,
    submitted,
    withdrawn,
)
from tests.support.publications import a_publication

APPROVED, NEW = "tin-duyet-roi", "tin-moi-toanh"
READERS = [f"r{number:04d}" for number in range(510)]
FIRST, REST = READERS[:500], READERS[500:]
WAITING, GONE = "tin-cho-duyet", "tin-da-go"
DESK_UNIT = "cuc-viec-lam"
MAIL, MAIL2 = f"email.{ITEM}.1", f"email.{ITEM}.2"
PLAN2, STATE2, PAGE2 = f"plan.{MAIL2}", f"state.{MAIL2}", f"portal.{ITEM}.2.0"
RELEASE2, DECIDED = f"publication.{ITEM}.2", f"publication.{APPROVED}.1"
RSS = "nguon-tin/tat-ca.rss"


def of_the_desk(content_id: str):
    data = {"author": "Trần Thị B"}
    return submitted(content_id, **data).model_copy(update={"source": f"/units/{DESK_UNIT}"})


class Ministry(NamedTuple):
    """Folders of a bus and of a portal, at a time; nothing runs on them."""

    folder: Path
    now: float


@pytest.fixture(scope="module")
def ministry(tmp_path_factory) -> Ministry:
    """Made once: each test has a copy, whose server begins with what this one has stored."""
    return asyncio.run(make_ministry(tmp_path_factory.mktemp("ministry")))


async def make_ministry(folder: Path) -> Ministry:
    """One item was corrected, one approved, one withdrawn; one waits, one event was refused."""
    async with running(folder) as harness:
        await topology.apply(harness.bus)
        await harness.open()
        await register_unit(harness.bus, DESK_UNIT, release="desk")
        await let_things_happen(harness)
        return Ministry(folder, harness.clock())


@asynccontextmanager
async def running(folder: Path) -> AsyncIterator[CheckHarness]:
    async with NatsServer(folder / "nats") as server, await Bus.connect(server.url) as bus:
        harness = CheckHarness(bus, folder, READERS)
        yield harness
        await harness.close()


@pytest.fixture
async def check_harness(ministry, tmp_path):
    copy = Path(copytree(ministry.folder, tmp_path / "copy"))
    async with running(copy) as harness:
        harness.clock.now = ministry.now
        yield harness


async def let_things_happen(harness: CheckHarness) -> None:
    for event in (
        submitted(),
        corrected(title="Bộ Nội vụ có kênh trên Zalo"),
        submitted(revision=1),
    ):
        await harness.send(event)
        await harness.deliver_all(ITEM)
    for event in (submitted(GONE), withdrawn(GONE), submitted(ITEM, revision=2)):
        await harness.send(event)
    for content_id in (APPROVED, WAITING):
        await harness.send(of_the_desk(content_id), DESK_UNIT)
    await approve_item(harness.desk, APPROVED, "Nguyễn Văn A")
    for content_id in (GONE, APPROVED):
        await harness.deliver_all(content_id)


RECORD2, APPROVED_RECORD = ("publications", f"{ITEM}.2"), ("publications", f"{APPROVED}.1")
BATCH0, BATCH1 = f"{MAIL2}.0", f"{MAIL2}.1"


async def acknowledge_unread(harness):
    """Acknowledge an event that intake has never seen."""
    event = submitted(NEW)
    await harness.bus.publish(f"content.{UNIT}.submitted", json.dumps(event_bytes(event)).encode())
    await acknowledge_all(harness.bus, "CONTENT", subjects.INTAKE)


def event_bytes(event):
    return event.model_dump(mode="json", exclude={"extensions", "time"}, exclude_none=True)


async def record_unsent_event(harness):
    """The door booked an event, died, and the unit never came again."""
    event = submitted(NEW)
    at = utc_now(harness.clock).isoformat()
    said = {
        "hash": content_hash(event.type, event.data), "unit": UNIT, "content_id": NEW,
        "revision": 1, "type": event.type, "at": at,
    }  # fmt: skip
    await harness.bus.bucket("events").put(event_id(event), json.dumps(said).encode())


async def lose_publication(harness):
    position = await harness.intake.repository.position(ITEM, 2)
    await harness.delete("PUBLICATIONS", position.seq)


async def forge_publication(harness, revision: int):
    """Write a publication to the bus that was not released."""
    forged = a_publication(content_id=ITEM, revision=revision, title="Một tin giả")
    subject = subjects.publication("cai-cach-hanh-chinh", ITEM)
    await harness.bus.publish(subject, publication.encode(forged))


async def act_behind_a_lost_one(harness):
    state = (await EditorialLog(harness.bus).read(WAITING)).state
    act = state.last_change.model_copy(update={"id": "sau", "prev": "mat"})
    await publish_sealed(harness.bus, subjects.editorial(WAITING), act.encode(), "sau")


async def lose_acts(harness):
    await harness.bus.connection.api_request(f"STREAM.DELETE.{subjects.EDITORIAL.name}")
    await topology.apply(harness.bus)


async def reject_and_book_nothing(harness):
    def reject(state):
        why = {"kind": "reject", "by": "nv-hai", "note": "Sai.", "at": state.last_change.at}
        facts = {"id": "bo", "revision": state.revision, "hash": state.hash, "prev": state.head}
        return Action.model_validate(facts | why)

    await EditorialLog(harness.bus).act(WAITING, reject)


async def decide_at_desk(harness, **changes):
    key = f"{APPROVED}.1"
    said = json.loads((await harness.bus.bucket("publications").get(key)).data)["decision"]
    await harness.record("publications", key, decision=said | changes)


async def mark_unsent_delivered(harness):
    """A row is booked as delivered that was only planned."""
    await harness.send(submitted(NEW, channels=["portal"]))
    service = harness.services[ChannelName.PORTAL]
    for released in await harness.released(NEW):
        await service.plan(released)
    for channel in ChannelName:
        await acknowledge_all(harness.bus, "PUBLICATIONS", subjects.dispatch(channel))
    await harness.state(f"portal.{NEW}.1.0", rows=b"d", closed_at=harness.clock())


async def write_portal_file(harness, path: str, body: bytes):
    file = harness.public / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(body)


async def truncate_portal_file(harness, path: str):
    await write_portal_file(harness, path, (harness.public / path).read_bytes()[:-200])


async def duplicate_feed_entry(harness, path: str):
    """Repeat an item in a feed."""
    body = (harness.public / path).read_bytes()
    item = body[body.index(b"<item>") : body.index(b"</item>") + len(b"</item>")]
    await write_portal_file(harness, path, body.replace(item, item + item))


async def lose_index(harness):
    await harness.close()
    for left in (harness.portal / "state").glob("index.sqlite*"):
        left.unlink()


async def forge_index(harness):
    """The index says what the bus never said; its page says the same."""
    with harness.index() as index:
        row = index.find_item(ITEM)
        forged = row.publication_json.replace("Zalo", "Facebook")
        index._db.execute("UPDATE item SET publication = ? WHERE content_id = ?", (forged, ITEM))


def open_rows(letter: bytes) -> bytes:
    return letter + b"d" * 499


AT_ONCE: list[tuple[Any, ...]] = [
    (
        lambda h: h.bucket.purge(PLAN2),
        f"plan-missing {PLAN2}",
        f"orphan {STATE2}.0",
        f"orphan {STATE2}.1",
    ),
    (lambda h: h.bucket.purge(f"{STATE2}.1"), f"batch-missing {STATE2}.1", f"rows-lost {PLAN2}"),
    (lambda h: h.cursor(MAIL2, planned=511), f"rows-lost {PLAN2}"),
    (lambda h: h.cursor(MAIL2, last="r0400"), f"last-differs {PLAN2}"),
    (
        lambda h: h.cursor(MAIL2, count=1, planned=500, last=FIRST[-1]),
        f"orphan {STATE2}.1",
        f"correction-missing {PLAN2}",
    ),
    (
        lambda h: h.bucket.put(f"{STATE2}.1", b'{"v":1,"r":"ddd'),
        f"unreadable {STATE2}.1",
        f"rows-lost {PLAN2}",
    ),
    (lambda h: h.state(BATCH0, rows=open_rows(b"?")), f"letter-unknown {STATE2}.0"),
    (lambda h: h.state(BATCH0, rows=open_rows(b"p")), f"closed-with-open-rows {STATE2}.0"),
    (
        lambda h: h.state(BATCH0, owner="w#1#1", lease_until=h.clock() + 60),
        f"closed-in-work {STATE2}.0",
    ),
    (lambda h: h.state(BATCH1, notes={10: RowNote(1, 0.0, "450")}), f"note-beyond {STATE2}.1"),
    (lambda h: h.state(BATCH1, notes={1: RowNote(9, 0.0, "450")}), f"too-many-attempts {STATE2}.1"),
    (
        lambda h: h.bucket.purge(f"rows.{MAIL2}.1"),
        f"rows-missing {STATE2}.1",
        f"correction-missing {PLAN2}",
    ),
    (
        lambda h: h.rows(BATCH1, *REST[:-1], corrections=frozenset(REST)),
        f"rows-differ {STATE2}.1",
        f"last-differs {PLAN2}",
        f"correction-missing {PLAN2}",
    ),
    (
        lambda h: h.rows(f"{MAIL}.1", FIRST[-1], *REST[1:]),
        f"recipient-twice state.{MAIL}.1",
        f"correction-unfounded {PLAN2}",
    ),
    (lambda h: h.cursor(MAIL, halt=""), f"order-broken plan.{MAIL}"),
    (
        lambda h: h.state(f"{MAIL}.0", rows=open_rows(b"P"), closed_at=0.0, due=h.clock() + 60),
        f"order-broken state.{MAIL}.0",
    ),
    (lambda h: h.cursor(MAIL2, halt="v3"), f"halt-wrong {PLAN2}"),
    (lambda h: h.state(BATCH1, halt="v3"), f"halt-wrong {STATE2}.1"),
    (
        lambda h: h.rows(BATCH1, *REST, corrections=frozenset(REST[1:])),
        f"correction-missing {PLAN2}",
    ),
    (lambda h: h.state(f"{MAIL}.0", rows=open_rows(b"x")), f"correction-unfounded {PLAN2}"),
    (acknowledge_unread, f"event-lost {event_id(submitted(NEW))}"),
    (
        lambda h: h.bus.bucket("events").purge(event_id(corrected())),
        f"event-lost {event_id(corrected())}",
        f"publication-unexpected {RELEASE2}",
    ),
    (lambda h: h.delete("CONTENT", 2), "stream-gap CONTENT", f"publication-unexpected {RELEASE2}"),
    (
        lose_publication,
        "stream-gap PUBLICATIONS",
        f"publication-lost {RELEASE2}",
        *(f"publication-lost plan.{channel}.{ITEM}.2" for channel in ChannelName),
        f"page-unexpected tin/{ITEM}",
    ),
    (lambda h: forge_publication(h, 2), f"text-differs {RELEASE2}"),
    (lambda h: forge_publication(h, 3), f"publication-unexpected publication.{ITEM}.3"),
    (lambda h: h.record(*RECORD2, hash="x" * 52), f"text-differs {RELEASE2}"),
    (lambda h: h.record(*APPROVED_RECORD, decision=None), f"unapproved {DECIDED}"),
    (lambda h: h.record(*APPROVED_RECORD, decision=None, policy=""), f"unapproved {DECIDED}"),
    (lambda h: decide_at_desk(h, at="2030-01-01T00:00:00Z"), f"unapproved {DECIDED}"),
    (lambda h: decide_at_desk(h, by="Trần Thị B"), f"self-approved {DECIDED}"),
    (act_behind_a_lost_one, f"acts-broken {subjects.editorial(WAITING)}"),
    (mark_unsent_delivered, f"page-missing state.portal.{NEW}.1.0"),
    (lambda h: h.state(PAGE2, rows=b"x"), f"effect-unbooked state.{PAGE2}"),
    (
        lambda h: truncate_portal_file(h, f"tin/{ITEM}/index.html"),
        f"page-differs tin/{ITEM}/index.html",
    ),
    (
        lambda h: truncate_portal_file(h, f"tin/{GONE}/410.html"),
        f"page-differs tin/{GONE}/410.html",
    ),
    (
        lambda h: write_portal_file(h, "tin/tin-gia/index.html", b"<html></html>"),
        "page-unexpected tin/tin-gia/index.html",
    ),
    (
        forge_index,
        f"page-unexpected tin/{ITEM}",
        f"page-differs tin/{ITEM}/index.html",
        f"page-differs tin/{APPROVED}/index.html",  # it leads on to the other one
    ),
    (lambda h: truncate_portal_file(h, RSS), f"feed-differs {RSS}"),
    (lambda h: duplicate_feed_entry(h, RSS), f"feed-differs {RSS}"),
    (lose_index, "index-lost portal"),
    (
        lambda h: write_portal_file(h, "../state/aside/3.tmp", b"<html>"),
        "aside-left state/aside/3.tmp",
    ),
    (
        lambda h: h.bucket.purge(f"note.zalo.app.{ITEM}"),
        *(f"article-unnoted state.zalo.{ITEM}.{number}.0" for number in (1, 2)),
    ),
]
"""How to corrupt, and the violations to find: rule and key."""
LATER: list[tuple[Any, ...]] = [
    (DAY_S, lambda h: h.cursor(MAIL2, complete=False), f"plan-stuck {PLAN2}"),
    (60.0, lambda h: h.state(BATCH0, closed_at=0.0), f"never-closed {STATE2}.0"),
    (DAY_S, lambda h: h.state(BATCH0, rows=open_rows(b"r"), closed_at=0.0), f"stuck {STATE2}.0"),
    (
        300.0,
        lambda h: h.state(
            BATCH0,
            rows=open_rows(b"s"),
            closed_at=0.0,
            owner="w#1#1",
            lease_until=h.clock() + 60,
            due=h.clock(),
        ),
        f"sending-stuck {STATE2}.0",
    ),
    (
        DAY_S,
        lambda h: h.state(PAGE2, rows=b"P", closed_at=0.0, due=h.clock() + 2 * DAY_S),
        f"in-doubt-old state.{PAGE2}",
    ),
    (
        4 * DAY_S,
        lambda h: h.state(
            BATCH0,
            rows=open_rows(b"r"),
            closed_at=0.0,
            due=h.clock() + 9 * DAY_S,
            notes={0: RowNote(1, h.clock() + 9 * DAY_S, "451", h.clock())},
        ),
        f"overdue {STATE2}.0",
    ),
    (DAY_S, record_unsent_event, f"event-unpublished {event_id(submitted(NEW))}"),
    (DAY_S, lambda h: h.record(*RECORD2, seq=None), f"release-unpublished {RELEASE2}"),
    (DAY_S, reject_and_book_nothing, f"acts-differ publication.{WAITING}.1"),
    (
        DAY_S,
        lambda h: h.record(*APPROVED_RECORD, state="waiting", decision=None),
        f"acts-differ {DECIDED}",
        f"draft-lost {DECIDED}",
        f"unapproved {DECIDED}",
    ),
    (DAY_S, lambda h: decide_at_desk(h, hash="x" * 52), f"acts-differ {DECIDED}"),
    (
        DAY_S,
        lose_acts,
        f"draft-lost publication.{WAITING}.1",
        f"acts-differ {DECIDED}",
    ),
]
"""The same, behind the time at which to check."""
CORRUPTIONS = [*((0.0, *row) for row in AT_ONCE), *LATER]


@pytest.mark.promise("3.9")
async def test_a_house_in_order_is_found_in_order_however_late_one_looks(check_harness):
    """Otherwise the time alone could be what is found below."""
    for later_s in sorted({later_s for later_s, *_ in CORRUPTIONS}):
        findings = await check_harness.check(later_s=later_s)
        assert (findings.ok, findings.violations, findings.skipped) == (True, [], [])
    assert findings.checked == {
        "events": 8, "publications": 5, "positions": 6, "plans": 15, "batches": 17, "rows": 2052,
        "items": 3, "files": 85,
    }  # fmt: skip


@pytest.mark.promise("3.9")
@pytest.mark.parametrize("corruption", CORRUPTIONS, ids=lambda row: row[2])
async def test_each_corruption_is_found_and_named(check_harness, corruption):
    later_s, spoil, *expected = corruption
    await spoil(check_harness)
    violations = await check_harness.violations(later_s=later_s)
    assert sorted(map(" ".join, violations)) == sorted(expected)


def test_every_rule_has_its_corruption():
    tried = {found.split()[0] for _, _, *expected in CORRUPTIONS for found in expected}
    elsewhere = {"event-stuck", "notice-shape", "notice-twice"}  # test_check_events, _cases_seen
    elsewhere |= {"bus-damaged"}  # tests/consumers/audit/test_anchor.py
    elsewhere |= {"replica-damaged"}  # tests/deep/cluster/test_damaged_replica.py
    elsewhere |= {"desk-index-wrong"}  # tests/consumers/cli/test_check.py
    elsewhere |= {"report-rows-wrong"}  # tests/consumers/desk/test_report_rows_check.py
    elsewhere |= {"figures-wrong"}  # tests/consumers/facts/test_public_figures_check.py
    elsewhere |= {"directory-damaged"}  # tests/consumers/cli/test_check.py
    elsewhere |= {"fact-wrong"}  # tests/consumers/cli/test_facts.py
    elsewhere |= {"key-wrong"}  # tests/consumers/test_key_file_mismatch.py
    elsewhere |= {"bus-key-served"}  # tests/consumers/cli/test_bus.py
    elsewhere |= {"record-unsealed"}  # tests/deep/attack/test_records.py
    elsewhere |= {TELLS_WITHDRAWN}  # tests/consumers/check/test_bulletins.py
    elsewhere |= {NUMBER_MISSING, NUMBER_TWICE, DAYS, ITEM_TWICE}  # tests/contracts/bulletins
    elsewhere |= {"digest-stopped", "digest-twice"}  # test_digest_books
    elsewhere |= {"callback-late", "callback-disabled", "units-untold"}  # tests/consumers/callbacks
    assert tried | elsewhere == set(load_rules())
