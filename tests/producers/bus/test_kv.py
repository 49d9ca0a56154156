"""Buckets on a real server: compare-and-set, purges, reading many."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from contracts import subjects
from producers.bus import NoReply, RevisionConflict, messages
from tests.support.frozen_process import frozen

UNITS = subjects.UNITS.name


async def test_a_key_is_created_once(bus):
    units = bus.bucket(UNITS)
    revision = await units.create("vp", b"1")
    with pytest.raises(RevisionConflict) as lost:
        await units.create("vp", b"2")
    assert lost.value.revision == revision
    value = await units.get("vp")
    assert (value.data, value.revision) == (b"1", revision)
    assert abs(datetime.now(UTC) - value.created) < timedelta(minutes=1)


async def test_of_many_creators_one_wins(bus):
    units = bus.bucket(UNITS)
    tries = (units.create("vp", b"%d" % number) for number in range(20))
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(result, int) for result in results) == 1
    assert sum(isinstance(result, RevisionConflict) for result in results) == 19


async def test_a_swap_replaces_exactly_the_revision_it_names(bus):
    units = bus.bucket(UNITS)
    first = await units.create("vp", b"1")
    second = await units.swap("vp", b"2", first)
    with pytest.raises(RevisionConflict) as lost:
        await units.swap("vp", b"3", first)
    assert lost.value.revision == second
    assert (await units.get("vp")).data == b"2"


@pytest.mark.parametrize("purged", [False, True], ids=["never written", "purged"])
async def test_a_swap_of_revision_0_creates_an_absent_key(bus, purged):
    units = bus.bucket(UNITS)
    if purged:
        await units.create("vp", b"1")
        await units.purge("vp")
    revision = await units.swap("vp", b"2", 0)
    value = await units.get("vp")
    assert (value.data, value.revision) == (b"2", revision)
    with pytest.raises(RevisionConflict) as lost:
        await units.swap("vp", b"3", 0)
    assert lost.value.revision == revision
    assert (await units.get("vp")).data == b"2"


async def test_a_swap_without_an_answer_is_settled_by_repeating_it(own_bus, own_server):
    """A read alone can't: it may overtake the write that is still on its way."""
    units = own_bus.bucket(UNITS)
    first = await units.create("vp", b"1")
    with frozen(own_server.pid), pytest.raises(NoReply):
        await units.swap("vp", b"2", first, timeout_s=0.2)
    with pytest.raises(RevisionConflict) as landed:
        await units.swap("vp", b"2", first)
    value = await units.get("vp")
    assert (value.data, value.revision) == (b"2", landed.value.revision)


async def test_a_purged_key_is_absent_and_can_be_created_again(bus):
    units = bus.bucket(UNITS)
    await units.create("vp", b"1")
    await units.purge("vp")
    assert [message.data async for message in bus.scan(units.stream)] == [b""]
    assert await units.get("vp") is None
    assert await units.get_many(["vp"]) == {}
    assert await units.keys() == []
    await units.create("vp", b"2")
    assert (await units.get("vp")).data == b"2"
    with pytest.raises(RevisionConflict):
        await units.create("vp", b"3")


async def test_a_key_deleted_by_other_tools_is_absent(bus):
    units = bus.bucket(UNITS)
    await units.create("vp", b"1")
    await bus.publish(f"$KV.{UNITS}.vp", b"", headers={"KV-Operation": "DEL"})
    assert await units.get("vp") is None
    await units.create("vp", b"2")


@pytest.mark.parametrize("key", ["", "a b", "a..b", ".a", "a.", "*", "a.>", "é", "+84", "a\r\nb"])
async def test_what_cannot_be_a_key_is_refused(bus, key):
    units = bus.bucket(UNITS)
    for attempt in (units.get(key), units.put(key, b""), units.get_many([key]), units.purge(key)):
        with pytest.raises(ValueError, match="can't be a key"):
            await attempt


async def test_many_answers_more_keys_than_fit_one_request(bus):
    ledger = bus.bucket(subjects.LEDGER.name)
    keys = [f"k.{number}" for number in range(1200)]
    await asyncio.gather(*(ledger.put(key, key.encode()) for key in keys))
    values = await ledger.get_many([*keys, "k.none"])
    assert {key: value.data for key, value in values.items()} == {k: k.encode() for k in keys}


async def test_values_come_newest_first_also_from_a_place_on(bus):
    bucket = bus.bucket(subjects.LEDGER.name)
    places = {name: await bucket.put(f"neu.{name}", b"1") for name in ("a", "b", "c", "d")}
    await bucket.purge("neu.b")
    read = [[key async for key, _ in bucket.newest_values("neu.*")]]
    for before in (places["d"], places["c"], places["a"]):
        read.append([key async for key, _ in bucket.newest_values("neu.*", before=before)])
    assert read == [["neu.d", "neu.c", "neu.a"], ["neu.c", "neu.a"], ["neu.a"], []]


async def test_keys_and_values_are_found_by_prefix(bus):
    ledger = bus.bucket(subjects.LEDGER.name)
    for key in ("state.email.a.1.0", "state.email.ab.1.0", "state.zalo.a.1.0", "states"):
        await ledger.put(key, key.encode())
    assert await ledger.keys("state.email.") == ["state.email.a.1.0", "state.email.ab.1.0"]
    assert await ledger.keys("state.email.ab") == ["state.email.ab.1.0"]
    assert len(await ledger.keys("state")) == len(await ledger.keys()) == 4
    values = {key: value.data async for key, value in ledger.values("state.zalo")}
    assert values == {"state.zalo.a.1.0": b"state.zalo.a.1.0"}


@pytest.fixture
def asked_filters(monkeypatch):
    """The filters of direct gets, as letters: s for state, > for all; pages have 4 messages.

    The first one asks how many messages there are.
    """
    filters, direct_get = [], messages.direct_get

    async def recorded(link, stream, query):
        filters.append("s" if ".state." in query["next_by_subj"] else query["next_by_subj"])
        return await direct_get(link, stream, query)

    monkeypatch.setattr(messages, "direct_get", recorded)
    monkeypatch.setattr(messages, "PAGE_SIZE", 4)
    monkeypatch.setattr(messages, "_COUNTED_PER_PAGE", 6)
    return filters


@pytest.mark.parametrize(
    ("wanted", "others", "asked"),
    [
        pytest.param(10, 40, ">sss", id="few keys"),
        pytest.param(16, 0, ">s>>>", id="nothing else"),
        pytest.param(16, 16, ">s>>>>>>>", id="as many others"),
        pytest.param(14, 70, ">s>sss", id="many others"),
    ],
)
async def test_the_server_counts_many_keys_for_no_more_than_one_page(
    bus, asked_filters, wanted, others, asked
):
    ledger = bus.bucket(subjects.LEDGER.name)
    keys = await put_among_others(ledger, wanted, others)
    assert await ledger.keys("state.") == keys
    assert "".join(asked_filters) == asked


@pytest.mark.parametrize(
    ("wanted", "others", "asked"),
    [
        pytest.param(16, 16, ">>>>>>>>>", id="as many others"),
        pytest.param(14, 70, ">>>>sss", id="many others"),
        pytest.param(2, 40, ">>>s", id="few keys"),
    ],
)
async def test_in_a_large_bucket_the_server_does_not_count_before_it_must(
    bus, asked_filters, monkeypatch, wanted, others, asked
):
    """A count of ten million keys outlasts the patience of the scan."""
    monkeypatch.setattr(messages, "_LARGE", 10)
    ledger = bus.bucket(subjects.LEDGER.name)
    keys = await put_among_others(ledger, wanted, others)
    assert await ledger.keys("state.") == keys
    assert "".join(asked_filters) == asked


async def put_among_others(ledger, wanted, others):
    """Keys that are asked for, each followed by its part of the others."""
    keys = [f"state.{number}" for number in range(wanted)]
    for number, key in enumerate(keys):
        for one in (key, *(f"plan.{number}.{other}" for other in range(others // wanted))):
            await ledger.put(one, b"x")
    return keys


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("state.>", {"state.a.1", "state.b.1", "state.b.1.2"}),
        ("state.*.1", {"state.a.1", "state.b.1"}),
        ("*.b.>", {"plan.b.1", "state.b.1", "state.b.1.2"}),
        ("state.b.1", {"state.b.1"}),
        ("state.b", set()),
    ],
)
async def test_a_pattern_covers_the_same_keys_where_all_are_read(bus, pattern, found):
    ledger = bus.bucket(subjects.LEDGER.name)
    for key in ("state.a.1", "state.b.1", "plan.b.1", "state.b.1.2", "state"):
        await ledger.put(key, b"x")
    prefix = f"$KV.{ledger.name}."
    covered = {
        key for key in await ledger.keys() if messages._covers(prefix + pattern, prefix + key)
    }
    scanned = [message.subject async for message in bus.scan(ledger.stream, prefix + pattern)]
    assert covered == found == {subject.removeprefix(prefix) for subject in scanned}
