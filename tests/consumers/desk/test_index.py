"""The index of the desk's items says what the editorial log says, and nothing of its own."""

import asyncio
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from datetime import timedelta
from random import Random

import pytest
import structlog

from consumers.cli.background import in_background
from consumers.desk.index import ItemIndex, file
from consumers.desk.person_lists import readable
from consumers.desk.sqlite_copy.file import delete_copy, open_reader
from consumers.editorial.log import EditorialLog
from consumers.key_file import KeyFile
from consumers.staff.accounts import Account
from consumers.staff.policy import Grant, default_policy
from contracts import subjects
from contracts.base.times import utc_time
from contracts.campaigns.progress import EntryState
from contracts.delivery import ChannelName, Lane
from contracts.desk.campaigns import count_campaign, counted_rows, joined_rows
from contracts.desk.deadlines import Step
from contracts.desk.index import ItemFilter, NearWanted, Order, Scope
from contracts.editorial import ActionKind, Status, name_hash
from contracts.errors import Unavailable
from producers.bus import topology
from tests.support.campaigns import a_plan
from tests.support.editorial_world import START, UNIT, EditorialWorld, fold
from tests.support.listed_items import act, listed_text, publish, receive, save, step
from tests.support.records_forger import seal_new_records
from tests.support.waiting import until

K, S = ActionKind, Status
_STORIES = 40


@asynccontextmanager
async def followed(index):
    async with in_background(index.run):
        yield index


@pytest.fixture
def log(bus):
    return EditorialLog(bus)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "desk" / "index.sqlite"


@pytest.fixture
async def index(log, path, clock):
    async with followed(ItemIndex(log, path, clock)) as index:
        yield index


async def every_row(index, **wanted):
    """All rows, page by page, once the index has followed the log."""
    async with asyncio.timeout(60):
        while not (page := await index.find(ItemFilter(limit=7, **wanted))).is_current:
            await asyncio.sleep(0.01)
    rows = list(page.rows)
    while page.next_cursor:
        page = await index.find(ItemFilter(limit=7, cursor=page.next_cursor, **wanted))
        rows += page.rows
    return rows


async def ids(index, **wanted):
    return [row.content_id for row in await every_row(index, **wanted)]


async def do(log, item, *builds):
    for build in builds:
        await log.act(item, build)


def approved(now, author="nv-an", **data):
    """The acts up to the release of a text."""
    return (
        save(author, at=now, **data),
        step(K.SUBMIT, author, at=now),
        step(K.CONFIRM, "nv-binh", at=now),
        step(K.PROPOSE, "nv-chi", at=now),
        step(K.APPROVE, "nv-dung", at=now),
        publish(at=now),
    )


async def tell_stories(bus, seeds, chance):
    """Store the acts of random items, mixed; returns the acts of each."""
    stories = {f"tin-{seed}": EditorialWorld(seed) for seed in seeds}
    for world in stories.values():
        world.run()
    waiting = {item: list(world.log.bodies) for item, world in stories.items()}
    while waiting := {item: bodies for item, bodies in waiting.items() if bodies}:
        item = chance.choice(list(waiting))
        await bus.publish(subjects.editorial(item), waiting[item].pop(0))
    return {item: world.log.actions for item, world in stories.items()}


async def test_a_page_shows_an_act_that_was_just_done(index, log):
    await log.act("tin-1", save("nv-an", title="Thông báo một"))
    page = await index.find(ItemFilter())
    assert page.is_current
    assert [(row.content_id, row.title) for row in page.rows] == [("tin-1", "Thông báo một")]


async def test_rows_are_the_fold_of_each_items_acts_also_when_made_anew(
    bus, log, index, path, clock
):
    acts = await tell_stories(bus, range(_STORIES), Random(1))
    rows = {row.content_id: row for row in await every_row(index)}
    assert rows.keys() == {item for item, done in acts.items() if done}
    for item, row in rows.items():
        state, first, last = fold(acts[item]), acts[item][0], acts[item][-1]
        said = (row.stored_status, row.revision, row.hash, row.out, row.last_editor)
        assert said == (state.status, state.revision, state.hash, state.out, state.last_editor)
        checkers = (row.unit_checker, row.center_checker)
        assert checkers == (state.unit_checker, state.center_checker)
        assert (row.created, row.changed, row.broken) == (first.at, last.at, "")
        assert first.at <= row.since <= last.at
    async with followed(ItemIndex(log, path.with_name("anew.sqlite"), clock)) as anew:
        assert await every_row(anew) == await every_row(index)


async def test_a_restart_goes_on_where_it_was_and_says_the_same(bus, log, path, clock):
    chance, last = Random(2), 0
    with structlog.testing.capture_logs() as logs:
        for part in range(3):
            async with followed(ItemIndex(log, path, clock)) as index:
                await tell_stories(bus, range(part * 10, part * 10 + 10), chance)
                rows = await every_row(index)
            assert max(row.seq for row in rows) > last
            last = max(row.seq for row in rows)
    begun = [line for line in logs if line["event"] == "desk_index_begun"]
    assert len(begun) == 1, "a restart reads only what is new"
    async with followed(ItemIndex(log, path.with_name("anew.sqlite"), clock)) as anew:
        assert await every_row(anew) == rows


async def test_an_act_on_an_item_that_is_long_forgotten_is_folded_onto_its_earlier_ones(
    log, path, clock, monkeypatch
):
    monkeypatch.setattr("consumers.desk.index.follow._REMEMBERED", 1)
    async with followed(ItemIndex(log, path, clock)) as index:
        await do(log, "tin-1", save("nv-an"))
        await do(log, "tin-2", save("nv-an"))
        await index.find(ItemFilter())
        await do(log, "tin-1", step(K.SUBMIT, "nv-an"))
        assert (await index.get("tin-1")).status is S.SUBMITTED
        assert (await index.get("tin-1")).created == (await index.get("tin-2")).created


@pytest.mark.parametrize("body", [b"no act", b""])
async def test_a_broken_item_is_listed_as_broken_and_blocks_no_other(bus, log, index, body):
    await do(log, "tin-1", save("nv-an", title="Một"))
    await bus.publish(subjects.editorial("tin-1"), body)
    await do(log, "tin-2", save("nv-an", title="Hai"))
    broken, sound = await index.get("tin-1"), await index.get("tin-2")
    assert broken.broken and (broken.title, broken.status) == ("Một", S.DRAFT)
    assert not sound.broken
    assert await ids(index, broken=True) == ["tin-1"]
    assert await ids(index, broken=False) == ["tin-2"]


async def test_a_broken_item_stays_as_it_was_before_the_act_that_does_not_fit(bus, log, index):
    await do(log, "tin-1", save("nv-an"))
    state = (await log.read("tin-1")).state
    foreign = act(K.SUBMIT, "nv-an", state, prev="ab" * 32)
    sound = act(K.SUBMIT, "nv-an", state)
    for one in (foreign, sound):
        await bus.publish(subjects.editorial("tin-1"), one.encode())
    row = await index.get("tin-1")
    assert row.broken and row.status is S.DRAFT


async def test_what_loa_did_not_write_is_no_act(bus, index, log):
    seal_new_records(bus, KeyFile(b"k" * 32))
    await do(log, "tin-1", save("nv-an", title="Một"))
    state = (await log.read("tin-1")).state
    forged = act(K.SUBMIT, "nv-an", state)
    with structlog.testing.capture_logs():
        await bus.publish(subjects.editorial("tin-1"), forged.encode())
        await bus.publish(subjects.editorial("tin-2"), b"forged")
        assert (await index.get("tin-1")).status is S.DRAFT
        assert await index.get("tin-2") is None


async def test_a_text_that_is_out_is_shown_by_its_times(log, index, clock):
    now = utc_time(clock())
    times = {
        "tin-nay": {},
        "tin-sau": {"not_before": (now + timedelta(hours=1)).isoformat()},
        "tin-cu": {"expires_at": (now - timedelta(hours=1)).isoformat()},
    }
    for item, data in times.items():
        await do(log, item, *approved(now, **data))
    rows = {row.content_id: row for row in await every_row(index)}
    assert {item: row.status for item, row in rows.items()} == {
        "tin-nay": S.PUBLISHED,
        "tin-sau": S.SCHEDULED,
        "tin-cu": S.EXPIRED,
    }
    assert {row.stored_status for row in rows.values()} == {S.PUBLISHED}
    assert await ids(index, statuses=frozenset({S.SCHEDULED})) == ["tin-sau"]
    assert await index.count(ItemFilter()) == {S.PUBLISHED: 1, S.SCHEDULED: 1, S.EXPIRED: 1}
    clock.now += 3600
    assert await index.count(ItemFilter()) == {S.PUBLISHED: 2, S.EXPIRED: 1}


async def test_what_waits_for_a_person_is_found_by_step_and_grant_and_without_their_own(
    log, index, clock
):
    now = utc_time(clock())
    wrote, confirmed, proposed = (approved(now)[:length] for length in (2, 3, 4))
    other = listed_text(unit="vu-phap-che", topic="phap-luat")
    await do(log, "tin-gui", *wrote)
    await do(log, "tin-xac-nhan", *confirmed)
    await do(log, "tin-trinh", *proposed)
    await do(log, "tin-khac", save("nv-giang", other, at=now), step(K.SUBMIT, "nv-giang", at=now))
    await do(log, "tin-he-thong", receive(other, at=now))
    leader = Scope(frozenset({Step.CONFIRM}), units=("vu-cchc",))
    assert await ids(index, scopes=(leader,)) == ["tin-gui"]
    assert await ids(index, scopes=(Scope(frozenset({Step.CONFIRM})),), order=Order.URGENT) == [
        "tin-gui",
        "tin-khac",
    ]
    editor = Scope(frozenset({Step.EDIT}), topics=("phap-luat",))
    assert await ids(index, scopes=(editor, leader)) == ["tin-he-thong", "tin-gui"]
    approver = Scope(frozenset({Step.APPROVE}))
    assert await ids(index, scopes=(approver,), not_barred=("nv-dung",)) == ["tin-trinh"]
    for barred in ("nv-an", "NV An", "nv-binh", "nv-chi"):
        assert await ids(index, scopes=(approver,), not_barred=(barred,)) == []


async def test_an_account_is_barred_under_its_name_too(log, index):
    named = listed_text(author="Lê Văn Tám")
    await do(log, "tin-1", receive(named), step(K.PROPOSE, "tk-7"))
    approver = Scope(frozenset({Step.APPROVE}))
    assert await ids(index, scopes=(approver,), not_barred=("tk-9", "Lê văn tám")) == []
    assert await ids(index, scopes=(approver,), not_barred=("tk-9", "Lê Văn Chín")) == ["tin-1"]
    assert await ids(index, person=("tk-9", "LE VAN TAM")) == ["tin-1"]


async def test_my_items_are_those_that_i_did_anything_to(log, index):
    await do(log, "tin-1", save("nv-an"), step(K.SUBMIT, "nv-an"), step(K.CONFIRM, "nv-binh"))
    await do(log, "tin-2", save("nv-binh"))
    edit = {"name_hash": name_hash("Trần Thị Chi")}
    await do(log, "tin-1", step(K.PROPOSE, "tk-3", **edit))
    assert await ids(index, person=("nv-an",)) == ["tin-1"]
    assert await ids(index, person=("nv-binh",)) == ["tin-1", "tin-2"]
    assert await ids(index, person=("tran thi chi",), order=Order.URGENT) == ["tin-1"]
    assert await ids(index, person=("nv-giang",)) == []


async def test_a_deadline_counts_from_the_step_and_not_from_a_save(log, index, clock):
    at = utc_time(clock())
    text = listed_text(title="Bản sửa")
    await do(log, "tin-1", *approved(at)[:3])
    first = (await index.get("tin-1")).deadline
    later = at + timedelta(days=30)
    await do(log, "tin-1", step(K.EDIT, "nv-chi", at=later, text=text, hash=text.hash))
    row = await index.get("tin-1")
    assert (row.status, row.step, row.deadline) == (S.IN_EDIT, Step.EDIT, first)


async def test_a_text_that_leaves_before_its_step_ends_is_due_then(log, index, clock):
    at = utc_time(clock())
    leaves = at + timedelta(minutes=5)
    await do(log, "tin-1", *approved(at, not_before=leaves.isoformat())[:4])
    await do(log, "tin-2", *approved(at)[:4])
    await do(log, "tin-3", *approved(at))
    row = await index.get("tin-1")
    assert row.deadline == leaves
    assert await ids(index, order=Order.URGENT) == ["tin-1", "tin-2", "tin-3"]


async def test_a_deadline_in_a_year_without_known_days_is_first_and_says_so(log, index, clock):
    late = utc_time(clock()).replace(year=2090)
    await do(log, "tin-1", *approved(utc_time(clock()))[:2])
    await do(log, "tin-2", *approved(late)[:2])
    row = await index.get("tin-2")
    assert (row.deadline, row.missing_year) == (None, 2090)


async def test_the_calendar_has_what_is_out_and_what_has_a_time(log, index, clock):
    now = utc_time(clock())
    leaves = now + timedelta(days=2)
    await do(log, "tin-1", *approved(now))
    await do(log, "tin-2", *approved(now, not_before=leaves.isoformat()))
    await do(log, "tin-3", save("nv-an", at=now, not_before=leaves.isoformat()))
    await do(log, "tin-4", save("nv-an", at=now))
    assert await ids(index, order=Order.DATE) == ["tin-1", "tin-2", "tin-3"]
    days = {"after": now + timedelta(days=1), "before": now + timedelta(days=3)}
    assert await ids(index, order=Order.DATE, **days) == ["tin-2", "tin-3"]
    assert await ids(index, order=Order.DATE, after=leaves, before=leaves) == []


async def test_words_are_found_with_and_without_marks_anywhere_in_the_text(log, index):
    await do(log, "tin-1", save("nv-an", title="Tuyển dụng công chức", body="Hà Nội, năm 2027."))
    await do(log, "tin-2", save("nv-an", title="Tuyên dương", summary="Công chức trẻ."))
    assert await ids(index, words="tuyen") == ["tin-2", "tin-1"]
    assert await ids(index, words="tuyển") == ["tin-1"]
    assert await ids(index, words="HÀ NỘI") == ["tin-1"]
    assert await ids(index, words="công chức", order=Order.URGENT) == ["tin-1", "tin-2"]
    assert await ids(index, words="tin-2") == ["tin-2"]
    assert await ids(index, words="không có") == []
    assert await ids(index, words="!!!") == []
    loose = await index.find(ItemFilter(words="tuỳên"))
    assert (len(loose.rows), loose.ignores_marks) == (2, True)


async def test_a_new_text_is_found_by_its_words_and_not_by_the_old_ones(log, index):
    await do(log, "tin-1", save("nv-an", title="Bản đầu"), save("nv-an", title="Bản cuối"))
    assert await ids(index, words="cuối") == ["tin-1"]
    assert await ids(index, words="đầu") == []


LONG = "Người dân nộp hồ sơ trên Cổng Dịch vụ công quốc gia, không phải đến trụ sở. "


async def near(index, body: str, content_id: str = "", **among) -> list[tuple[str, float]]:
    found = await index.near({"body": body}, NearWanted(content_id, (ItemFilter(**among),)))
    return [(one.row.content_id, round(one.share, 2)) for one in found]


async def test_near_texts_are_found_as_they_are_now_and_by_whom_they_concern(log, index, path):
    bodies = {"tin-1": LONG, "tin-2": LONG + "Hết.", "tin-3": "Lịch tiếp công dân tháng này."}
    for item, body in bodies.items():
        await do(log, item, save("nv-an", title="", body=body))
    await index.find(ItemFilter())
    assert await near(index, LONG.upper()) == [("tin-1", 1.0), ("tin-2", 0.94)]
    assert await near(index, LONG, "tin-1") == [("tin-2", 0.94)]
    assert await near(index, LONG, statuses=frozenset({S.PUBLISHED})) == []
    assert await near(index, "Vài chữ") == []
    await do(log, "tin-1", save("nv-an", title="", body="Một nội dung khác hẳn, không giống."))
    await index.find(ItemFilter())
    assert await near(index, LONG) == [("tin-2", 0.94)]
    with closing(open_reader(path)) as db:
        [left] = db.execute("SELECT count(*) FROM shingle WHERE seq NOT IN (SELECT seq FROM item)")
    assert left == (0,), "a text that was replaced leaves nothing"


async def test_a_phrase_that_many_items_have_makes_none_near(log, index, monkeypatch):
    monkeypatch.setattr("consumers.desk.index.near._OF_ONE_HASH", 3)
    for number in range(5):
        await do(log, f"tin-{number}", save("nv-an", title="", body=LONG))
    await index.find(ItemFilter())
    assert await near(index, LONG) == []


def is_found(row, wanted) -> bool:
    return all(
        (
            not wanted.statuses or row.status in wanted.statuses,
            not wanted.units or row.unit in wanted.units,
            not wanted.topics or row.topic in wanted.topics,
            wanted.channel is None or wanted.channel in row.channels,
            wanted.lane is None or row.lane is wanted.lane,
            not wanted.language or row.language == wanted.language,
            not wanted.words or wanted.words in row.title,
        )
    )


async def test_random_filters_find_what_they_say_in_their_order(log, index, clock):
    chance, now = Random(3), utc_time(clock())
    for number in range(60):
        data = {
            "title": chance.choice(("mot", "hai")),
            "topic": chance.choice(("phap-luat", "luong")),
            "lane": chance.choice(("urgent", "normal")),
            "language": chance.choice(("vi", "en")),
            "channels": chance.choice((["portal"], ["portal", "email"], ["zalo"])),
            "not_before": chance.choice((None, (now + timedelta(hours=number)).isoformat())),
        }
        length = chance.randint(1, 6)
        await do(log, f"tin-{number}", *approved(now + timedelta(minutes=number), **data)[:length])
    rows = await every_row(index)
    for _ in range(60):
        wanted = ItemFilter(
            statuses=frozenset(chance.sample(list(S), chance.choice((0, 3, 6)))),
            topics=chance.choice(((), ("luong",))),
            channel=chance.choice((None, *ChannelName)),
            lane=chance.choice((None, Lane.URGENT)),
            language=chance.choice(("", "vi")),
            words=chance.choice(("", "mot")),
        )
        expected = [row.content_id for row in rows if is_found(row, wanted)]
        given = {name: getattr(wanted, name) for name in wanted.__dataclass_fields__}
        given = {name: value for name, value in given.items() if name not in ("limit", "cursor")}
        assert await ids(index, **given) == expected
        assert sum((await index.count(wanted)).values()) == len(expected)
        assert sorted(await ids(index, **given | {"order": Order.URGENT})) == sorted(expected)
    dues = [row.deadline for row in await every_row(index, order=Order.URGENT) if row.deadline]
    assert dues == sorted(dues)


async def test_what_readers_have_of_campaigns_is_counted_as_the_rows_say(log, index, clock):
    chance, now = Random(5), utc_time(clock())
    withdrawn = step(K.WITHDRAW, "nv-dung", at=now, note="Sai.")
    for number in range(40):
        data = {
            "campaign": chance.choice(("tin-0", "tin-1", None)),
            "campaign_entry": chance.choice((None, 1, 2)),
            "channels": chance.choice((["portal"], ["portal", "email"], None)),
            "not_before": chance.choice((None, (now + timedelta(hours=1)).isoformat())),
        }
        acts = [*approved(now, **data), withdrawn][: chance.choice((5, 6, 6, 6, 7))]
        await do(log, f"tin-{number}", *acts)
    for moment in (now, now + timedelta(hours=2)):
        clock.now = moment.timestamp()
        expected = Counter(
            (row.campaign, row.campaign_entry, tuple(row.first_shown))
            for row in await every_row(index, campaigns=("tin-0", "tin-1"))
            if row.out and row.first_shown_at <= moment and row.campaign != row.content_id
        )
        groups = await index.count_campaigns(["tin-0", "tin-1"])
        assert Counter({one[:3]: one.number for one in groups}) == expected
        assert {one.first_shown_at for one in groups} <= {now, now + timedelta(hours=1)}
    assert await index.count_campaigns(["khong-co"]) == []


async def test_a_planned_item_is_done_once_readers_first_had_one_on_its_channel(log, index, clock):
    now, days = utc_time(clock()), [utc_time(clock()) + timedelta(days=n) for n in range(4)]
    entries = [{"number": 1, "title": "Hỏi đáp", "day": str(now.date()), "channel": "portal"}]
    plan = a_plan(first_day=str(now.date()), last_day=str(days[3].date()), entries=entries)
    own = {"campaign": "chuyen-de", "campaign_plan": plan.model_dump(mode="json")}
    await do(log, "chuyen-de", *approved(now, **own))
    joined = {"campaign": "chuyen-de", "campaign_entry": 1}
    found = list[tuple[EntryState, str]]()
    for moment, channels in zip(days[:3], (["email"], ["email", "portal"], ["email"]), strict=True):
        await do(log, "tin-1", *approved(moment, channels=channels, **joined))
        clock.now = (moment + timedelta(hours=1)).timestamp()
        found.append(await counted(index, "chuyen-de"))
    late = (EntryState.DONE_LATE, str(days[1].date()))
    assert found == [(EntryState.PLANNED, str(now.date())), late, late]


async def counted(index, campaign):
    """The state of a campaign's planned item, and since when it is; the list counts the same."""
    await every_row(index)
    [row] = (await index.find(ItemFilter(is_campaign=True))).rows
    now = utc_time(index.clock())
    [listed] = await counted_rows(index, [row], now)
    joined = await joined_rows(index, campaign, ItemFilter())
    progress = count_campaign(listed.campaign, joined, now, lambda _: True).progress
    assert (listed.counts.done, listed.counts.published) == (progress.done, 1)
    [entry] = progress.entries
    return entry.state, str(entry.items[0].shown_for(entry.planned))


async def test_a_cursor_of_another_list_or_of_nothing_begins_at_the_first_page(log, index):
    await do(log, "tin-1", save("nv-an"))
    for cursor in ("urgent.0.0.0", "recent.x.1.0", "recent.0", "'; DROP TABLE item", "recent.9"):
        assert [row.content_id for row in (await index.find(ItemFilter(cursor=cursor))).rows]


async def test_a_file_of_another_format_is_made_anew(log, path, clock, monkeypatch):
    await do(log, "tin-1", save("nv-an"))
    async with followed(ItemIndex(log, path, clock)) as index:
        assert await ids(index) == ["tin-1"]
    with closing(sqlite3.connect(path)) as db, db:
        db.execute("UPDATE item SET status = 'published'")
    monkeypatch.setattr(file, "_SCHEMA_VERSION", 1000)
    async with followed(ItemIndex(log, path, clock)) as index:
        assert [row.status for row in await every_row(index)] == [S.DRAFT]


async def test_the_index_of_another_log_is_made_anew(bus, log, path, clock):
    await do(log, "tin-1", save("nv-an"), step(K.SUBMIT, "nv-an"))
    async with followed(ItemIndex(log, path, clock)) as index:
        assert await ids(index) == ["tin-1"]
    await bus.connection.api_request(f"STREAM.DELETE.{subjects.EDITORIAL.name}")
    await topology.apply(bus)
    fresh = EditorialLog(bus)
    await do(fresh, "tin-2", save("nv-an"), step(K.SUBMIT, "nv-an"), step(K.RETURN, "x", note="y"))
    async with followed(ItemIndex(fresh, path, clock)) as index:
        assert await ids(index) == ["tin-2"]


@pytest.mark.parametrize("kept", [0, 5000])
async def test_a_damaged_file_is_made_anew(log, path, clock, kept):
    for number in range(30):
        await do(log, f"tin-{number}", save("nv-an"))
    async with followed(ItemIndex(log, path, clock)) as index:
        rows = await every_row(index)
    path.write_bytes(path.read_bytes()[:kept] + b"no database" * 1000)
    async with followed(ItemIndex(log, path, clock)) as index:
        assert await every_row(index) == rows


async def test_a_file_that_is_deleted_meanwhile_is_made_anew(log, index, path):
    await do(log, "tin-1", save("nv-an"))
    rows = await every_row(index)
    delete_copy(path)
    await until(path.exists)
    assert await every_row(index) == rows


async def test_one_process_writes_and_another_takes_over(log, path, clock):
    await do(log, "tin-1", save("nv-an"))
    second = ItemIndex(log, path, clock)
    async with followed(ItemIndex(log, path, clock)) as first:
        await every_row(first)
        async with followed(second):
            await do(log, "tin-2", save("nv-an"))
            assert await ids(second) == ["tin-2", "tin-1"]
    async with followed(second):
        await do(log, "tin-3", save("nv-an"))
        assert await ids(second) == ["tin-3", "tin-2", "tin-1"]


async def test_the_file_is_for_its_owner_alone(index, path):
    await index.find(ItemFilter())
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


async def test_an_index_that_is_not_followed_says_that_it_can_not_be_read(
    log, path, clock, monkeypatch
):
    monkeypatch.setattr("consumers.desk.sqlite_copy.rounds._WAIT_S", 0.1)
    with pytest.raises(Unavailable):
        await ItemIndex(log, path, clock).find(ItemFilter())


async def test_a_page_of_an_index_that_lags_says_so_and_waits_no_longer(
    log, index, path, monkeypatch
):
    await do(log, "tin-1", save("nv-an"))
    await every_row(index)
    held = asyncio.Event()
    apply = log.is_genuine

    async def slow(message):
        await held.wait()
        return await apply(message)

    monkeypatch.setattr(log, "is_genuine", slow)
    monkeypatch.setattr("consumers.desk.sqlite_copy.rounds._WAIT_S", 0.1)
    await do(EditorialLog(log.bus), "tin-2", save("nv-an"))
    page = await index.find(ItemFilter())
    assert ([row.content_id for row in page.rows], page.is_current) == (["tin-1"], False)
    held.set()
    async with asyncio.timeout(20):
        while not (page := await index.find(ItemFilter())).is_current:
            await asyncio.sleep(0.01)
    assert [row.content_id for row in page.rows] == ["tin-2", "tin-1"]


@pytest.mark.parametrize("order", Order)
@pytest.mark.parametrize("words", ["", "tuyển dụng"])
async def test_an_officer_who_leads_another_unit_finds_own_items_and_that_units(
    log, index, order, words
):
    grants = (Grant(role="nguoi-gui-tin"), Grant(role="lanh-dao-don-vi", units=("vu-khac",)))
    person = Account(
        id="nv-an",
        login="an",
        name="Lê An",
        unit=UNIT,
        grants=grants,
        state="active",
        created=START,
    )
    begins = {"not_before": "2026-12-01T08:00:00+07:00"}
    await do(log, "cua-minh", save("nv-an", listed_text(**begins)))
    await do(log, "don-vi-khac", save("nv-binh", listed_text("vu-khac", **begins)))
    await do(log, "cua-nguoi-khac", save("nv-binh", listed_text(**begins)))
    wanted = replace(readable(default_policy(), person), order=order, words=words, limit=7)
    found = [row.content_id for row in (await index.find(wanted)).rows]
    assert {*found} == {"cua-minh", "don-vi-khac"} and len(found) == 2
