"""`loa status`: what waits in each lane, how fast it goes, and which channels may and can work."""

import json
from dataclasses import dataclass, field, replace
from datetime import UTC

import pytest

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers import breaker, control, extent, outlets
from consumers.app.outlets import outlet as told_outlet
from consumers.app.settings import LoaSettings
from consumers.circuit import Circuit
from consumers.cli.answers import print_json
from consumers.cli.channels import numbers, outlet, trouble
from consumers.ledger import codec
from consumers.ledger.entry import planned
from consumers.ledger.store import Ledger
from consumers.outlets import Outlet
from consumers.status import Status
from consumers.sweep import Sweep
from consumers.wake import Waker
from contracts.delivery import BatchKey, ChannelName, Lane

EMAIL, ZALO, PORTAL = ChannelName.EMAIL, ChannelName.ZALO, ChannelName.PORTAL


@pytest.fixture
def ledger(bus):
    return Ledger(bus)


@pytest.fixture
def status(bus, ledger, clock):
    return Status(bus, ledger, clock)


@pytest.fixture
def keep(ledger, clock):
    """Store a batch: its letters, how old it is, how long closed."""
    numbers = iter(range(1000))

    async def keep(letters, channel=EMAIL, lane=Lane.NORMAL, age_s=0.0, closed_s=None):
        entry = replace(planned(0, lane, clock() - age_s), rows=letters)
        closed = 0.0 if closed_s is None else clock() - closed_s
        data = codec.encode_state(replace(entry, closed=closed))
        await ledger.bucket.put(f"state.{BatchKey(channel, 'tin', 1, next(numbers))}", data)

    return keep


async def test_an_idle_loa_shows_every_lane_of_every_channel_at_rest(status):
    report = (await status.report()).model_dump(mode="json")
    rest = {"backlog": 0, "oldest_s": 0.0, "per_s": 0.0, "left_s": None}
    lanes = {"urgent": rest, "notice": rest, "normal": rest, "bulk": rest}
    calm = {"paused_since": None, "paused_reason": "", "paused_by": ""}
    calm |= {"breaker_since": None, "breaker_reason": ""}
    calm |= {"slowed": 0, "slowed_reason": "", "stopped": []}
    calm |= {"goes_to": "", "stand_in": False}
    calm["canary"] = {"state": "off", "since": None, "why": ""}
    idle = {"paused": False, "breaker": "closed", "next_probe": None, "lanes": lanes, **calm}
    assert report == {"channels": {"portal": idle, "email": idle, "zalo": idle}}


async def test_the_backlog_counts_open_rows_by_channel_and_lane(status, keep):
    await keep(b"ppsSrRPd", EMAIL, Lane.BULK)
    await keep(b"dp", EMAIL, Lane.BULK)
    await keep(b"p", EMAIL, Lane.URGENT)
    await keep(b"pp", ZALO)
    await keep(b"dxuewvkDXUEWVK", PORTAL)
    channels = (await status.report()).channels
    waiting = {
        (channel, lane): facts.backlog
        for channel, one in channels.items()
        for lane, facts in one.lanes.items()
        if facts.backlog
    }
    assert waiting == {(EMAIL, Lane.BULK): 8, (EMAIL, Lane.URGENT): 1, (ZALO, Lane.NORMAL): 2}


async def test_what_nobody_can_read_hides_nothing_else(ledger, status, keep):
    await keep(b"pp")
    for key in ("state.pigeon.tin.1.0", "state.email.tin.1", "state.email.tin.1.x"):
        await ledger.bucket.put(key, b"{}")
    await ledger.bucket.put("state.email.tin.1.99", b"not a state")
    await keep(b"p")
    assert (await status.report()).channels[EMAIL].lanes[Lane.NORMAL].backlog == 3


async def test_the_oldest_waiting_batch_gives_its_age(status, keep):
    await keep(b"dp", age_s=30)
    await keep(b"p", age_s=90.26)
    await keep(b"dd", age_s=5000, closed_s=4000)
    assert (await status.report()).channels[EMAIL].lanes[Lane.NORMAL].oldest_s == 90.3


async def test_the_speed_is_that_of_the_batches_closed_within_the_last_minute(status, keep):
    await keep(b"d" * 120, closed_s=59)
    await keep(b"d" * 60, closed_s=0)
    await keep(b"d" * 500, closed_s=61)
    facts = (await status.report()).channels[EMAIL].lanes[Lane.NORMAL]
    assert (facts.per_s, facts.backlog) == (3.0, 0)


async def test_pauses_and_breakers_are_shown_per_channel(bus, status, clock):
    await control.pause(bus, ZALO)
    mail = Circuit(bus, EMAIL, clock)
    await mail.change(lambda one: breaker.trip(one, "w", "AUTH 535", clock()))
    channels = (await status.report()).channels
    shown = {name: (one.paused, one.breaker) for name, one in channels.items()}
    assert shown == {PORTAL: (False, "closed"), EMAIL: (False, "open"), ZALO: (True, "closed")}
    clock.advance(5)
    await mail.change(lambda one: breaker.probe(one, "w", clock()))
    assert (await status.report()).channels[EMAIL].breaker == "half-open"


async def test_a_standing_channel_says_since_when_why_and_when_it_tries_again(bus, status, clock):
    await control.pause(bus, ZALO, "nghỉ Tết")
    mail = Circuit(bus, EMAIL, clock)
    await mail.change(lambda one: breaker.trip(one, "w", "AUTH 535", clock()))
    channels = (await status.report()).channels
    email, zalo = channels[EMAIL], channels[ZALO]
    assert (email.breaker_since.timestamp(), email.breaker_reason) == (clock(), "AUTH 535")
    assert email.next_probe.timestamp() == clock() + 5
    assert (zalo.paused_reason, zalo.paused_since.tzinfo) == ("nghỉ Tết", UTC)
    lines = [*trouble(email), *trouble(zalo)]
    assert lines[0].startswith("breaker open since 2027-01-15T08:00:00Z: AUTH 535, next try at ")
    assert lines[1].startswith("paused since 20") and lines[1].endswith("Z: nghỉ Tết")


async def test_a_pause_names_who_made_it(bus, status):
    await control.hold(bus, ZALO, "nghỉ Tết", "Trần Thị B")
    zalo = (await status.report()).channels[ZALO]
    assert zalo.paused_by == "Trần Thị B"
    assert next(trouble(zalo)).endswith("Z by Trần Thị B: nghỉ Tết")


async def test_where_nobody_works_there_is_no_speed_and_no_estimate(status, keep):
    await keep(b"d" * 120, closed_s=5)
    await keep(b"p" * 60)
    at_work = (await status.report()).channels[EMAIL].lanes[Lane.NORMAL]
    assert (at_work.per_s, at_work.left_s) == (2.0, 30.0)
    at_rest = (await status.report(at_work=False)).channels[EMAIL].lanes[Lane.NORMAL]
    assert (at_rest.backlog, at_rest.per_s, at_rest.left_s) == (60, None, None)
    assert numbers(at_rest)[2:] == ("-", "-")


async def test_the_estimate_counts_the_lanes_before_and_is_none_while_nothing_moves(
    bus, status, keep
):
    await keep(b"p" * 60, lane=Lane.URGENT)
    await keep(b"p" * 120, lane=Lane.BULK)
    assert (await status.report()).channels[EMAIL].lanes[Lane.BULK].left_s is None
    await keep(b"d" * 60, closed_s=5)
    lanes = (await status.report()).channels[EMAIL].lanes
    assert {lane: facts.left_s for lane, facts in lanes.items()} == {
        Lane.URGENT: 60.0,
        Lane.NOTICE: 0.0,
        Lane.NORMAL: 0.0,
        Lane.BULK: 180.0,
    }
    await control.pause(bus, EMAIL)
    assert (await status.report()).channels[EMAIL].lanes[Lane.BULK].left_s is None


async def test_what_was_closed_long_ago_is_not_read(bus, ledger, status, keep, clock):
    for _ in range(5):
        await keep(b"d", closed_s=1000)
    await keep(b"p")
    await Sweep(bus, ledger, Waker(bus), control.Pauses(bus), clock).sweep()
    assert (await status.report()).channels[EMAIL].lanes[Lane.NORMAL].backlog == 1
    sweeper = Sweep(bus, ledger, Waker(bus), control.Pauses(bus), clock)
    for _ in range(2):
        await sweeper.sweep()
    await ledger.bucket.put("state.email.tin.1.0", b"damaged, and would not be found closed")
    read = [key async for key, _ in ledger.bucket.values("state.", start=6)]
    assert await extent.first_open(bus) == 6
    assert len(read) == 2
    assert (await status.report()).channels[EMAIL].lanes[Lane.NORMAL].backlog == 1


async def test_the_json_has_the_keys_that_scripts_rely_on(status, keep, capsys):
    await keep(b"pp", age_s=3)
    capsys.readouterr()
    print_json(await status.report())
    told = json.loads(capsys.readouterr().out)
    assert list(told) == ["channels"]
    for channel in told["channels"].values():
        assert set(channel) >= {"paused", "breaker", "lanes"}
        assert list(channel["lanes"]) == ["urgent", "notice", "normal", "bulk"]
        for lane in channel["lanes"].values():
            assert set(lane) >= {"backlog", "oldest_s", "per_s"}


async def test_each_worker_says_where_its_output_goes_and_a_stand_in_says_that_it_is_one(
    bus, status, clock
):
    await outlets.note(bus, EMAIL, Outlet(to="the relay smtp.x:587 (tls: starttls)", at=clock()))
    box = "the catch-all mailbox at http://127.0.0.1:8080/hop-thu-thu, LOA_EMAIL_HOST is empty"
    told = (await status.report()).channels
    assert list(outlet(told[EMAIL])) == ["goes to the relay smtp.x:587 (tls: starttls)"]
    assert list(outlet(told[ZALO])) == [], "no worker has started yet"
    await outlets.note(bus, EMAIL, Outlet(to=box, stand_in=True, at=clock()))
    told = (await status.report()).channels[EMAIL]
    assert list(outlet(told)) == [f"goes to {box}: nobody outside gets anything"]


@dataclass
class Process:
    """As much of a node as an outlet is told from."""

    email: EmailSettings = field(default_factory=EmailSettings)
    zalo: ZaloSettings = field(default_factory=ZaloSettings)
    settings: LoaSettings = field(default_factory=LoaSettings)
    stand_ins: set[ChannelName] = field(default_factory=set)
    own_url: str = "http://127.0.0.1:8080"
    public_url: str = "https://tin.moha.example"

    def clock(self) -> float:
        return 0.0


RELAY = {"host": "smtp.x", "username": "ai-do", "password": "bi-mat", "from_": "a@moha.example"}


@pytest.mark.parametrize(
    ("changes", "channel", "words", "stand_in"),
    [
        ({}, EMAIL, "nowhere, LOA_EMAIL_HOST is empty", True),
        ({"stand_ins": {EMAIL}}, EMAIL, "catch-all mailbox at http://127.0.0.1:8080/hop-", True),
        ({"email": EmailSettings(**RELAY)}, EMAIL, "the relay smtp.x:587 (tls: starttls)", False),
        (
            {"email": EmailSettings(**RELAY, fallback_host="b.x", fallback_port=25)},
            EMAIL,
            "the relay smtp.x:587 (tls: starttls), else b.x:25 (tls: starttls)",
            False,
        ),
        ({"zalo": ZaloSettings(app_id="123")}, ZALO, "Zalo, application 123", False),
        ({"stand_ins": {ZALO}}, ZALO, "the Zalo sandbox at ", True),
        (
            {"zalo": ZaloSettings(app_id="123", openapi_url="http://zalo-sandbox:8090")},
            ZALO,
            "the Zalo sandbox at http://zalo-sandbox:8090",
            True,
        ),
        ({}, PORTAL, "https://tin.moha.example, files in ", False),
    ],
)
def test_where_output_goes_is_told_from_the_settings_of_whoever_sends_it(
    changes, channel, words, stand_in
):
    said = told_outlet(Process(**changes), channel)
    assert (words in said.to, said.stand_in) == (True, stand_in)
    assert "ai-do" not in said.to and "bi-mat" not in said.to
