"""`loa trace` says what a unit was told of its item, and what each endpoint has of it."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import (
    Endpoint,
    EndpointCipher,
    EndpointStore,
    endpoint_key,
    progress_key,
)
from consumers.callbacks.item_state import ToldFact, ToldItem, read_told
from consumers.callbacks.progress import Disabled, Progress, Span, Waiting
from consumers.callbacks.status_store import StatusStore
from consumers.cli.trace_told import told_texts
from contracts.delivery import ChannelName
from contracts.facts.content_status import ContentStatus, DeliveryCounts, StatusKind, status_fact
from producers.bus import records

UNIT, ITEM = "van-phong-bo", "tin-moi"
DUE = datetime(2026, 12, 1, 9, tzinfo=UTC)
HELD = Waiting(seqs=(2, 3), tries=2, since=DUE - timedelta(hours=1), due=DUE)
DOWN = {ITEM: HELD} | {f"tin-{n}": HELD for n in (7, 8)}
PAUSE = DUE + timedelta(hours=1)
NEW = Waiting(seqs=(3,), since=DUE, due=DUE)
KINDS = (StatusKind.ACCEPTED, StatusKind.RELEASED, StatusKind.DELIVERED)


async def tell(bus, revision: int = 1) -> None:
    """Three facts of the item, of which the last is of mail, and one of another item."""
    for item, kinds in ((ITEM, KINDS), ("tin-khac", KINDS[:1])):
        for kind in kinds:
            channel = ChannelName.EMAIL if kind is StatusKind.DELIVERED else None
            about = {"unit": UNIT, "content_id": item, "revision": revision, "channel": channel}
            counts = DeliveryCounts(expected=2, failed=2) if channel else None
            told = ContentStatus(kind=kind, at=datetime.now(UTC), counts=counts, **about)
            fact = status_fact(told)
            await StatusStore(bus).tell([fact])


async def add(bus, *, kinds=(), **progress: object) -> None:
    bucket, known = EndpointStore(bus).bucket, {"spans": (Span(next=5),)} | progress
    one = Endpoint(origin="https://a.vn", url="", contact="", secrets=(), created=DUE, kinds=kinds)
    await records.write(bucket, progress_key(UNIT, "1f2e"), Progress.model_validate(known), 0)
    await records.write(bucket, endpoint_key(UNIT, "1f2e"), one, 0)


@pytest.mark.parametrize(
    ("fields", "arrived", "waiting", "said"),
    [
        ({}, 3, 0, "has all 3"),
        ({"waiting": {ITEM: NEW}}, 2, 1, "1 on their way, 2 arrived"),
        ({"spans": (Span(next=2),)}, 1, 2, "2 on their way, 1 arrived"),
        ({"waiting": {ITEM: HELD}}, 1, 2, "next try 2026-12-01 16:00:00+07"),
        (
            {"waiting": {ITEM: HELD}, "paused_until": PAUSE},
            *(1, 2, "next try 2026-12-01 17:00:00+07"),
        ),
        ({"waiting": DOWN, "failures": 5}, 1, 2, "takes no callbacks now: 2 wait, 1 arrived"),
        (
            {"waiting": DOWN | {ITEM: NEW, "tin-9": HELD}, "failures": 5},
            *(2, 1, "takes no callbacks now: 1 wait, 2 arrived"),
        ),
        ({"waiting": {"tin-khac": HELD}}, 3, 0, "has all 3"),
        (
            {"waiting": {ITEM: HELD}, "disabled": Disabled(at=DUE, reason="gone")},
            *(1, 2, "called no more (gone): 2 wait"),
        ),
        ({"kinds": (StatusKind.DELIVERED,)}, 1, 0, "has all 1"),
        ({"first": 2}, 2, 0, "has all 2"),
        ({"spans": (Span(next=1, last=2), Span(next=5))}, 1, 2, "2 on their way, 1 arrived"),
    ],
)
async def test_an_endpoints_share_of_an_item(bus, fields, arrived, waiting, said):
    await tell(bus)
    await add(bus, **fields)
    told = await read_told(bus, UNIT, ITEM)
    [share] = told.endpoints
    assert (share.arrived, share.waiting) == (arrived, waiting)
    facts, endpoint = told_texts(told)
    assert facts.message.endswith("1: accepted, released, email ended: 0 of 2 delivered")
    assert facts.message_vi.endswith("đã nhận, đã phát hành, thư điện tử đã kết thúc: 0/2")
    assert endpoint.field == "callbacks 1f2e" and said in endpoint.message


@pytest.mark.parametrize("off_s", [-3600, 3600])
async def test_what_was_told_before_an_endpoint_was_added_is_not_for_it(bus, off_s):
    """By the order of STATUS, however wrong the clock is of the process that added it."""
    await tell(bus)
    admin = EndpointAdministration(
        *(EndpointStore(bus), StatusStore(bus), EndpointCipher(lambda _: bytes(32))),
        check_url=lambda _: None,
        clock=lambda: time.time() + off_s,
    )
    await admin.add(UNIT, "https://a.vn/loa", (), "it@a.vn")
    told = await read_told(bus, UNIT, ITEM)
    assert [(one.arrived, one.waiting) for one in told.endpoints] == [(0, 0)]
    assert len([*told_texts(told)]) == 1
    await tell(bus, revision=2)
    told = await read_told(bus, UNIT, ITEM)
    assert [(one.arrived, one.waiting) for one in told.endpoints] == [(0, 3)]


async def test_of_an_item_of_which_nothing_was_told_nothing_is_said(bus):
    await add(bus)
    assert await read_told(bus, UNIT, ITEM) is None


def a_fact(kind, revision=None, channel=None, **more):
    about = {"kind": kind, "revision": revision, "channel": channel}
    return ToldFact(fact="f", at=DUE, told_at=DUE, **about, **more)


def test_each_outcome_has_its_word_in_vietnamese():
    known = [a_fact(kind) for kind in StatusKind]
    [said] = told_texts(ToldItem(facts=known, endpoints=[]))
    assert "“" not in said.message_vi and "?" in said.message


def test_the_facts_of_three_channels_are_listed_to_the_last_word():
    counts = DeliveryCounts(expected=25_000, delivered=24_998, failed=2)
    ended = [
        a_fact(StatusKind.DELIVERED, revision=1, channel=channel, counts=counts)
        for channel in ChannelName
    ]
    known = [a_fact(kind, revision=1) for kind in KINDS[:2]]
    [said] = told_texts(ToldItem(facts=known + ended, endpoints=[]))
    assert said.message.count("ended: 24998 of 25000 delivered") == len(ChannelName)
    assert said.message_vi.count("đã kết thúc: 24998/25000") == len(ChannelName)
    assert "…" not in said.message + said.message_vi


def test_what_became_of_another_event_with_the_same_revision_has_a_line_of_its_own():
    released = [a_fact(kind, revision=1, event_id="first") for kind in KINDS[:2]]
    refused = a_fact(StatusKind.REFUSED, revision=1, event_id="second")
    newer = a_fact(StatusKind.ACCEPTED, revision=2, event_id="third")
    told = told_texts(ToldItem(facts=[*released, refused, newer], endpoints=[]))
    assert [one.message.removeprefix("its unit was told of ") for one in told] == [
        "revision 1 in event first: accepted, released",
        "revision 1 in event second: refused",
        "revision 2: accepted",
    ]
