"""The portal can be thrown away: from the bus it comes back, byte for byte."""

import errno
from functools import partial

import pytest
import structlog

from channels.base import Verdict
from channels.errors import Misconfigured, Unreachable
from channels.portal.channel import PortalChannel
from channels.portal.files import Stage
from channels.portal.rebuild import Changes, rebuilding
from consumers import rebuild
from consumers.app.channels import pages_booked
from contracts import subjects
from producers.bus import Bucket, Bus, Silence
from tests.builders import a_publication
from tests.portal_folder import PUBLIC_URL, WORDS, a_writer, never, sent, show, tree
from tests.released import CORRECTED, FIRST, ITEMS, a_press, released, stored

GONE = a_publication(content_id="sai-so", revision=2, action="withdrawn", reason="Sai số liệu")


def full_disk(_) -> None:
    raise OSError(errno.ENOSPC, "full")


async def test_a_lost_portal_comes_back_from_the_bus_byte_for_byte(bus, tmp_path):
    told = [*ITEMS, FIRST, a_publication(content_id="sai-so"), CORRECTED, GONE]
    show(tmp_path / "old", *told)
    for one in told:
        await released(bus, one)
    changes = await rebuild.portal(bus, tmp_path / "new", a_press())
    assert tree(tmp_path / "new") == tree(tmp_path / "old")
    assert changes.items == len({one.content_id for one in told})


async def test_what_the_ledger_does_not_call_delivered_is_not_shown(bus, tmp_path):
    await released(bus, ITEMS[0], "d")
    await released(bus, ITEMS[1], "D")
    for letter, one in zip("pPxw", [*ITEMS[2:], FIRST], strict=True):
        await released(bus, one, letter)
    await rebuild.portal(bus, tmp_path / "new", a_press())
    show(tmp_path / "old", *ITEMS[:2])
    assert tree(tmp_path / "new") == tree(tmp_path / "old")


@pytest.mark.parametrize("letter", "sSpPrRXWV")
async def test_what_was_shown_and_is_not_booked_yet_stays(bus, tmp_path, letter):
    """Its owner still knows the outcome; or it comes out of a backup, and was shown after that."""
    show(tmp_path, *ITEMS)
    before = tree(tmp_path)
    for one in ITEMS[1:]:
        await released(bus, one)
    await released(bus, ITEMS[0], letter)
    assert await rebuild.portal(bus, tmp_path, a_press()) == Changes(items=5)
    assert tree(tmp_path) == before


async def test_what_was_shown_before_its_plan_was_lost_stays(bus, tmp_path):
    show(tmp_path, FIRST, CORRECTED)
    before = tree(tmp_path)
    await released(bus, FIRST)
    await stored(bus, CORRECTED)
    await rebuild.portal(bus, tmp_path, a_press())
    assert tree(tmp_path) == before


@pytest.mark.parametrize("letter", "xuewv")
async def test_what_the_ledger_calls_surely_not_shown_goes(bus, tmp_path, letter):
    show(tmp_path, *ITEMS)
    for one in ITEMS[1:]:
        await released(bus, one)
    await released(bus, ITEMS[0], letter)
    assert (await rebuild.portal(bus, tmp_path, a_press())).items == 4
    assert not (tmp_path / "public/tin/tin-0").exists() or not [
        *(tmp_path / "public/tin/tin-0").iterdir()
    ]


async def test_what_a_killed_writer_had_committed_is_finished(bus, tmp_path, monkeypatch):
    """The index took it and no file followed: whoever takes the lock next shows it."""
    writer = a_writer(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(Stage, "swap", full_disk)
        assert writer.show(FIRST, never).verdict is Verdict.DOUBT
    writer.close()
    await released(bus, FIRST, "P")
    await rebuild.portal(bus, tmp_path, a_press())
    show(tmp_path / "clean", FIRST)
    assert tree(tmp_path) == tree(tmp_path / "clean")


async def test_a_row_in_doubt_is_delivered_after_a_rebuild_too(bus, tmp_path):
    show(tmp_path, FIRST)
    await released(bus, FIRST, "P")
    await rebuild.portal(bus, tmp_path, a_press())
    writer = a_writer(tmp_path)
    assert writer.standing(FIRST).verdict is Verdict.DELIVERED
    writer.close()


async def test_without_an_index_nobody_knows_what_is_not_booked(bus, tmp_path):
    show(tmp_path, *ITEMS[:2])
    (tmp_path / "state/index.sqlite").write_bytes(b"no database at all" * 100)
    await released(bus, ITEMS[0])
    await released(bus, ITEMS[1], "P")
    assert (await rebuild.portal(bus, tmp_path, a_press())).items == 1


async def test_a_replica_that_is_behind_makes_no_delivered_item_go(bus, tmp_path, monkeypatch):
    """What the ledger has taken before the folder's lock was ours is seen."""
    asked = []
    many = Bucket.many

    async def noted(bucket, keys, *, since=0):
        asked.append(since)
        return await many(bucket, keys, since=since)

    monkeypatch.setattr(Bucket, "many", noted)
    await released(bus, FIRST)
    await rebuild.portal(bus, tmp_path, a_press())
    assert asked == [await bus.bucket(subjects.LEDGER.name).last_seq()]


async def test_a_replica_that_has_not_all_publications_hides_none(bus, tmp_path, monkeypatch):
    for one in ITEMS:
        await released(bus, one)
    scan = Bus.scan

    async def behind(bus, stream, *args):
        async for message in scan(bus, stream, *args):
            if message.seq <= 3:
                yield message

    monkeypatch.setattr(Bus, "scan", behind)
    assert (await rebuild.portal(bus, tmp_path, a_press())).items == len(ITEMS)


async def test_what_can_not_be_read_is_named_and_the_rest_goes_on(bus, tmp_path):
    show(tmp_path, *ITEMS)
    before = tree(tmp_path)
    for one in ITEMS:
        await released(bus, one)
    await bus.bucket(subjects.LEDGER.name).put("state.portal.tin-0.1.0", b'{"v":1,"r":7}')
    await bus.publish("publication.lich-nghi-le.hong", b"damaged")
    with structlog.testing.capture_logs() as logs:
        await rebuild.portal(bus, tmp_path, a_press())
    assert tree(tmp_path) == before, "the old index knows that it was shown"
    named = [(line["event"], line.get("key") or line.get("seq")) for line in logs]
    assert sorted(one for one in named if "unreadable" in one[0]) == [
        ("batch_unreadable", "state.portal.tin-0.1.0"),
        ("publication_unreadable", 6),
    ]


async def test_many_publications_are_read_in_chunks(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(rebuild, "AT_ONCE", 2)
    for one in ITEMS:
        await released(bus, one)
    await rebuild.portal(bus, tmp_path / "new", a_press())
    show(tmp_path / "old", *ITEMS)
    assert tree(tmp_path / "new") == tree(tmp_path / "old")


@pytest.mark.parametrize(
    ("letter", "begun"), [("d", True), ("D", True), ("p", False), ("x", False), ("s", False)]
)
async def test_only_what_is_booked_as_delivered_says_that_a_portal_was_begun(bus, letter, begun):
    assert not await pages_booked(bus)
    await released(bus, ITEMS[0], "p")
    await released(bus, ITEMS[1], letter)
    assert await pages_booked(bus) is begun


async def test_what_nobody_can_read_begins_no_portal(bus):
    await released(bus, ITEMS[0], "p")
    await bus.bucket(subjects.LEDGER.name).put("state.portal.tin-0.1.0", b"broken")
    with structlog.testing.capture_logs() as logs:
        assert not await pages_booked(bus)
    assert [line["event"] for line in logs] == ["batch_unreadable"]


async def test_a_lost_folder_stands_until_the_portal_is_made_anew(bus, tmp_path):
    for one in ITEMS:
        await released(bus, one)
    begun = partial(pages_booked, bus)
    channel = PortalChannel(tmp_path, PUBLIC_URL, WORDS, shown_before=begun)
    with pytest.raises(Misconfigured, match="index_lost"):
        await sent(channel, FIRST)
    assert tree(tmp_path) == {}
    await rebuild.portal(bus, tmp_path, a_press())
    assert (await sent(channel, FIRST))[0].verdict is Verdict.DELIVERED
    await channel.close()
    show(tmp_path / "clean", *ITEMS, FIRST)
    assert tree(tmp_path / "clean").items() <= tree(tmp_path).items()


async def test_a_bus_that_is_away_begins_no_portal(bus, tmp_path, monkeypatch):
    def silent(*_):
        raise Silence("no answer")

    monkeypatch.setattr(Bucket, "values", silent)
    with pytest.raises(Unreachable, match="bus"):
        await pages_booked(bus)


async def test_while_another_writer_holds_the_folder_nothing_is_changed(bus, tmp_path, monkeypatch):
    monkeypatch.setattr(rebuild, "PATIENCE_S", 0.05)
    show(tmp_path, *ITEMS)
    before = tree(tmp_path)
    with rebuilding(tmp_path, a_press(), 1.0), pytest.raises(Unreachable, match="folder_busy"):
        await rebuild.portal(bus, tmp_path, a_press())
    assert tree(tmp_path) == before
