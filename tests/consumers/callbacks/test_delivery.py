"""Callbacks reach a real receiver: away, slow, redirecting, gone, with another certificate."""

import asyncio
import secrets
import time
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from unittest.mock import AsyncMock, Mock

import pytest
import trustme
from aiohttp import web

from channels.fetch.url_policy import UrlPolicy
from channels.fetch.webhook import WebhookClient
from consumers.callbacks import delivery, status_store
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.attempt_log import Attempt, AttemptLog
from consumers.callbacks.delivery import LEASE, EndpointDelivery
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.progress import Progress
from consumers.callbacks.sender import CallbackSender, Sent
from consumers.callbacks.status_store import StatusStore
from consumers.callbacks.unit_page import UnitCallbacks
from consumers.key_file import KeyFile
from contracts import subjects
from contracts.delivery import ChannelName
from contracts.errors import Conflict
from contracts.facts.content_status import ContentStatus, StatusKind, status_fact
from producers.bus import Bus, NoReply
from tests.support.callback_receiver import HOST, CallbackReceiver, open_receiver
from tests.support.clock import FakeClock
from tests.support.crashing_bus import SimulatedCrash, dying_buses
from tests.support.relay_tls import relay_context, write_bundle

UNIT = "van-phong-bo"
DAY_S = 86_400


@dataclass
class Callbacks:
    """One endpoint of a unit, a receiver behind it, and a clock for both."""

    bus: Bus
    receiver: CallbackReceiver
    admin: EndpointAdministration
    client: WebhookClient
    clock: FakeClock
    id: str = ""
    secret: str = ""

    async def tell(self, item: str, *kinds: str, revision: int = 1, unit: str = UNIT) -> None:
        facts = [
            status_fact(
                ContentStatus(
                    unit=unit,
                    kind=StatusKind(kind),
                    content_id=item,
                    revision=revision,
                    at=datetime.now(UTC),
                )
            )
            for kind in kinds
        ]
        await StatusStore(self.bus).tell(facts)

    async def begin(self, *kinds: StatusKind) -> None:
        added = await self.admin.add(UNIT, self.receiver.url, kinds, "it@example.gov.vn")
        self.id, self.secret = added
        self.receiver.secrets = [self.secret]

    async def new_process(self, bus: Bus | None = None) -> EndpointDelivery:
        bus = bus or self.bus
        store = EndpointStore(bus)
        sender = CallbackSender(self.client, self.admin.cipher, self.clock)
        listed = await EndpointStore(self.bus).require(UNIT, self.id)
        owner = secrets.token_hex(4)
        log = AttemptLog(bus)
        return EndpointDelivery(listed, StatusStore(bus), store, sender, log, self.clock, owner)

    async def last_seq(self) -> int:
        info = await self.bus.stream_info(subjects.STATUS.name)
        return info["state"]["last_seq"]

    async def work(self, process: EndpointDelivery | None = None) -> EndpointDelivery:
        process = process or await self.new_process()
        await process.work(await self.last_seq())
        return process

    async def progress(self) -> Progress:
        return (await EndpointStore(self.bus).progress(UNIT, self.id)).value

    @property
    def heard(self) -> list[str]:
        return [f"{one.content_id}.{one.kind}" for one in self.receiver.arrived]


@asynccontextmanager
async def open_callbacks(bus, tmp_path, context=None, ca_file=None):
    clock = FakeClock(time.time())
    cipher = EndpointCipher(KeyFile.open(tmp_path / "vault.key").derive)
    async with open_receiver(context) as receiver:
        client = WebhookClient(UrlPolicy(frozenset({(HOST, receiver.port)})), ca_file)
        store, statuses = EndpointStore(bus), StatusStore(bus)
        admin = EndpointAdministration(store, statuses, cipher, client.check, clock)
        yield Callbacks(bus, receiver, admin, client, clock)


@pytest.fixture
async def callbacks(bus, tmp_path):
    async with open_callbacks(bus, tmp_path) as callbacks:
        yield callbacks


async def test_what_is_told_from_now_on_arrives_signed_and_in_order(callbacks):
    await callbacks.tell("cu", "accepted")
    await callbacks.begin()
    await callbacks.tell("tin", "accepted", "released", "delivered")
    await callbacks.tell("tin", "accepted", unit="vu-phap-che")
    await callbacks.work()
    assert callbacks.heard == ["tin.accepted", "tin.released", "tin.delivered"]
    assert (await callbacks.progress()).waiting == {}


async def test_an_endpoint_hears_the_kinds_that_it_asked_for(callbacks):
    await callbacks.begin(StatusKind.REFUSED, StatusKind.RELEASED)
    await callbacks.tell("tin", "accepted", "released", "delivered")
    await callbacks.work()
    assert callbacks.heard == ["tin.released"]


async def test_nothing_new_is_no_call_and_no_write(callbacks):
    await callbacks.begin()
    process = await callbacks.work()
    before = await callbacks.admin.store.bucket.last_seq()
    assert not process.has_work(await callbacks.last_seq())
    await callbacks.tell("tin", "accepted", unit="vu-phap-che")
    await callbacks.work(process)
    assert await callbacks.admin.store.bucket.last_seq() == before


async def test_what_an_endpoint_does_not_want_is_not_read_again_by_the_next_process(
    callbacks, monkeypatch
):
    monkeypatch.setattr(delivery, "_KEPT_EVERY", 3)
    await callbacks.begin(StatusKind.REFUSED)
    for told, kept in ((2, 1), (1, 4), (2, 4)):
        for number in range(told):
            await callbacks.tell(f"tin-{kept}-{number}-{told}", "accepted")
        await callbacks.work()
        assert (await callbacks.progress()).spans[-1].next == kept


async def test_one_item_that_is_refused_holds_up_itself_alone(callbacks):
    await callbacks.begin()
    callbacks.receiver.refused_items.add("xau")
    await callbacks.tell("xau", "accepted", "released")
    await callbacks.tell("tot", "accepted", "released")
    process = await callbacks.work()
    assert callbacks.heard == ["tot.accepted", "tot.released"]
    callbacks.receiver.refused_items.clear()
    callbacks.clock.advance(6)
    await callbacks.work(process)
    assert callbacks.heard[2:] == ["xau.accepted", "xau.released"]


@pytest.mark.promise("17.2")
async def test_a_receiver_that_was_away_for_a_day_hears_everything_in_order(callbacks):
    await callbacks.begin()
    process, port = await callbacks.new_process(), callbacks.receiver.port
    callbacks.receiver.says(500)
    for hour in range(24):
        await callbacks.tell(f"tin-{hour}", "accepted", "released")
        for _ in range(4):
            callbacks.clock.advance(900)
            await callbacks.work(process)
    assert not callbacks.heard and (await callbacks.progress()).disabled is None
    assert sum(callbacks.receiver.tried.values()) < 150, "it is asked, and not flooded"
    callbacks.receiver.answers.clear()
    callbacks.clock.advance(900)
    await callbacks.work(process)
    assert sorted(callbacks.heard) == sorted(
        f"tin-{hour}.{kind}" for hour in range(24) for kind in ("accepted", "released")
    )
    for hour in range(24):
        own = [one for one in callbacks.heard if one.startswith(f"tin-{hour}.")]
        assert own == [f"tin-{hour}.accepted", f"tin-{hour}.released"]
    assert callbacks.receiver.port == port


@pytest.mark.promise("17.2")
async def test_five_days_of_failures_disable_and_enabling_goes_on_where_it_stood(callbacks):
    await callbacks.begin()
    process = await callbacks.new_process()
    callbacks.receiver.says(500)
    await callbacks.tell("tin", "accepted")
    for _ in range(20):
        await callbacks.work(process)
        callbacks.clock.advance(10 * 3600)
    assert (await callbacks.progress()).disabled.reason == "failing"
    tried = sum(callbacks.receiver.tried.values())
    await callbacks.tell("tin", "released")
    await callbacks.work(process)
    assert sum(callbacks.receiver.tried.values()) == tried
    callbacks.receiver.answers.clear()
    await callbacks.admin.enable(UNIT, callbacks.id)
    await callbacks.work()
    assert callbacks.heard == ["tin.accepted", "tin.released"]


async def test_410_disables_at_once(callbacks):
    await callbacks.begin()
    callbacks.receiver.says(410)
    await callbacks.tell("tin", "accepted")
    await callbacks.work()
    assert (await callbacks.progress()).disabled.reason == "gone"


@pytest.mark.promise("17.3")
async def test_a_redirect_is_a_failure_and_is_not_followed(callbacks):
    await callbacks.begin()
    elsewhere = f"http://{HOST}:{callbacks.receiver.port}/khac"
    callbacks.receiver.says(307, Location=elsewhere)
    await callbacks.tell("tin", "accepted")
    await callbacks.work()
    assert callbacks.heard == []
    [attempt] = await AttemptLog(callbacks.bus).newest(UNIT, callbacks.id, 5)
    assert (attempt.status, attempt.reason) == (307, "http 307")


def test_the_log_names_the_channel_of_a_delivery():
    about = {"unit": UNIT, "content_id": "tin", "revision": 1, "channel": ChannelName.EMAIL}
    at = datetime.now(UTC)
    fact = status_fact(ContentStatus(kind=StatusKind.DELIVERED, at=at, **about))
    assert Attempt.of(fact, at, Sent(204)).channel is ChannelName.EMAIL


@pytest.mark.parametrize("status", [429, 502, 503, 504])
async def test_a_busy_receiver_is_left_alone_as_long_as_it_asks_for(callbacks, status):
    await callbacks.begin()
    callbacks.receiver.says(status, **{"Retry-After": "120"})
    await callbacks.tell("tin", "accepted")
    process = await callbacks.work()
    callbacks.receiver.answers.clear()
    await callbacks.tell("khac", "accepted")
    callbacks.clock.advance(119)
    await callbacks.work(process)
    assert callbacks.heard == []
    callbacks.clock.advance(1)
    await callbacks.work(process)
    assert sorted(callbacks.heard) == ["khac.accepted", "tin.accepted"]


async def test_a_slow_receiver_is_given_up_on_after_its_time(callbacks, monkeypatch):
    await callbacks.begin()
    callbacks.client.limits = callbacks.client.limits.__class__(0, total_s=0.05, max_redirects=0)

    async def never(_: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    callbacks.receiver.answers["/loa"] = never
    await callbacks.tell("tin", "accepted")
    await callbacks.work()
    [attempt] = await AttemptLog(callbacks.bus).newest(UNIT, callbacks.id, 5)
    assert (attempt.status, attempt.reason) == (0, "too slow")


async def test_a_receiver_that_is_away_is_no_answer(callbacks):
    await callbacks.begin()
    callbacks.client.lookup = no_address
    await callbacks.tell("tin", "accepted")
    endpoint = await callbacks.admin.store.require(UNIT, callbacks.id)
    process = await callbacks.new_process()
    url = callbacks.admin.cipher.encrypt(endpoint.key, "https://example.gov.vn/loa")
    moved = endpoint.endpoint.model_copy(update={"url": url})
    process.listed = endpoint.model_copy(update={"endpoint": moved})
    await callbacks.work(process)
    [attempt] = await AttemptLog(callbacks.bus).newest(UNIT, callbacks.id, 5)
    assert attempt.status == 0 and attempt.reason.startswith("unknown host")


async def no_address(host: str, port: int):
    raise OSError(f"{host} {port}")


@pytest.mark.promise("17.3")
async def test_only_the_expected_authority_is_trusted(bus, tmp_path):
    """A changed certificate: nothing is sent, not even the head of a request."""
    trusted, other = trustme.CA(), trustme.CA()
    bundle = write_bundle(trusted, tmp_path)
    async with open_callbacks(bus, tmp_path, relay_context(other), bundle) as callbacks:
        await callbacks.begin()
        await callbacks.tell("tin", "accepted")
        await callbacks.work()
        assert not callbacks.receiver.tried
        [attempt] = await AttemptLog(bus).newest(UNIT, callbacks.id, 5)
        assert attempt.reason.startswith("no secure connection")
    async with open_callbacks(bus, tmp_path, relay_context(trusted), bundle) as callbacks:
        await callbacks.begin()
        await callbacks.tell("khac", "accepted")
        await callbacks.work()
        assert callbacks.heard == ["khac.accepted"]


async def test_an_address_may_hold_a_secret_and_is_stored_encrypted(callbacks):
    await callbacks.begin()
    stored = await callbacks.admin.store.require(UNIT, callbacks.id)
    assert stored.endpoint.origin == f"http://{HOST}:{callbacks.receiver.port}"
    assert "/loa" not in stored.model_dump_json()
    with pytest.raises(Conflict):
        await callbacks.admin.add(UNIT, callbacks.receiver.url, (), "it@example.gov.vn")


async def test_a_log_that_takes_nothing_holds_up_no_callback(callbacks, monkeypatch):
    await callbacks.begin()
    await callbacks.tell("tin", "accepted")
    process = await callbacks.new_process()
    log_bus = Mock(publish=AsyncMock(side_effect=NoReply("away")))
    process.attempts = AttemptLog(log_bus)
    for _ in range(3):
        await callbacks.work(process)
    assert log_bus.publish.await_count == 1
    assert list(callbacks.receiver.tried.values()) == [1]


async def test_an_endpoint_without_chosen_kinds_hears_of_all_also_of_later_ones(callbacks):
    await callbacks.begin()
    endpoint = (await callbacks.admin.store.require(UNIT, callbacks.id)).endpoint
    assert endpoint.kinds == () and endpoint.told_kinds == tuple(StatusKind)


async def test_the_unit_sees_all_that_waits_also_what_no_process_has_taken(callbacks):
    await callbacks.begin()
    callbacks.receiver.says(503, **{"Retry-After": "3600"})
    await callbacks.tell("tin", "accepted")
    process = await callbacks.work()
    await callbacks.tell("tin", "released", "delivered")
    await callbacks.work(process)
    [shown] = await UnitCallbacks(callbacks.bus).of_unit(UNIT)
    assert (shown.waiting, shown.waiting_at_least) == (3, False)
    assert [(one.status, one.reason) for one in shown.attempts] == [(503, "")]


@pytest.mark.parametrize(("most", "counted"), [(3, (2, False)), (2, (1, True)), (0, (0, True))])
async def test_of_what_waits_no_more_is_read_than_a_limit(callbacks, monkeypatch, most, counted):
    """Also of what the endpoint does not want, which costs as much."""
    await callbacks.begin(StatusKind.ACCEPTED)
    await callbacks.tell("tin", "accepted", "released")
    await callbacks.tell("tin-khac", "accepted")
    monkeypatch.setattr(status_store, "MOST_READ", most)
    listed = await callbacks.admin.store.require(UNIT, callbacks.id)
    assert await status_store.count_waiting(callbacks.admin.statuses, listed) == counted


async def test_a_replay_reads_no_further_than_its_span(callbacks, monkeypatch):
    await callbacks.begin()
    await callbacks.tell("tin", "accepted", "released")
    stored = [one async for one in StatusStore(callbacks.bus).scan(">")]
    for number in range(5):
        await callbacks.tell(f"sau-{number}", "accepted")
    read, genuine = 0, callbacks.admin.statuses.genuine

    async def counted(message):
        nonlocal read
        read += 1
        return await genuine(message)

    monkeypatch.setattr(callbacks.admin.statuses, "genuine", counted)
    await callbacks.admin.replay(UNIT, callbacks.id, stored[0].at, stored[1].at)
    assert read == 2


async def test_a_replaced_secret_signs_beside_the_new_one_for_a_day(callbacks):
    await callbacks.begin()
    old = callbacks.secret
    new = await callbacks.admin.rotate(UNIT, callbacks.id)
    for number, (secret, hours) in enumerate(((old, 0), (new, 0), (old, 25))):
        callbacks.clock.advance(hours * 3600 + LEASE.total_seconds())
        callbacks.receiver.secrets = [secret]
        await callbacks.tell(f"tin-{number}", "accepted")
        await callbacks.work()
    assert callbacks.heard == ["tin-0.accepted", "tin-1.accepted"]


async def test_a_replay_sends_a_span_again_under_the_same_ids(callbacks):
    await callbacks.begin()
    await callbacks.tell("tin", "accepted", "released")
    process = await callbacks.work()
    first = list(callbacks.receiver.arrived)
    now = datetime.now(UTC)
    span = now - timedelta(hours=1), now + timedelta(hours=1)
    assert await callbacks.admin.replay(UNIT, callbacks.id, *span) == 2
    process.known = None
    await callbacks.work(process)
    assert callbacks.receiver.arrived == first * 2


@pytest.mark.promise("17.2")
@pytest.mark.parametrize("after", [False, True])
async def test_wherever_it_dies_each_fact_arrives_under_one_id_and_in_order(callbacks, after):
    """Dies at each call of the bus in turn, or just behind it, and another process goes on."""
    await callbacks.begin()
    for item in ("tin", "khac"):
        await callbacks.tell(item, "accepted", "released")
    for bus in dying_buses(callbacks.bus, after=after, fewest=3):
        callbacks.clock.advance(LEASE.total_seconds())
        process = await callbacks.new_process(bus)
        with suppress(SimulatedCrash):
            await callbacks.work(process)
    firsts = list(dict.fromkeys(callbacks.receiver.arrived))
    assert len(firsts) == len({one.id for one in firsts}) == 4
    for item in ("tin", "khac"):
        assert [one.kind for one in firsts if one.content_id == item] == ["accepted", "released"]
    assert (await callbacks.progress()).waiting == {}


async def test_a_process_that_died_is_followed_when_its_lease_is_over(callbacks):
    await callbacks.begin()
    await callbacks.tell("tin", "accepted")
    await callbacks.work()
    await callbacks.tell("tin", "released")
    await callbacks.work()
    assert callbacks.heard == ["tin.accepted"]
    callbacks.clock.advance(LEASE.total_seconds())
    await callbacks.work()
    assert callbacks.heard == ["tin.accepted", "tin.released"]


async def test_two_processes_at_once_send_each_fact_once(callbacks):
    await callbacks.begin()
    for number in range(20):
        await callbacks.tell(f"tin-{number}", "accepted")
    one, other = await callbacks.new_process(), await callbacks.new_process()
    await asyncio.gather(callbacks.work(one), callbacks.work(other))
    assert len(callbacks.heard) == len(set(callbacks.heard)) == 20


async def test_more_than_may_wait_goes_out_round_after_round(callbacks, monkeypatch):
    monkeypatch.setattr(delivery.rules, "MAX_WAITING", 5)
    await callbacks.begin()
    for number in range(23):
        await callbacks.tell(f"tin-{number}", "accepted")
    await callbacks.work()
    assert len(callbacks.heard) == 23


async def test_the_log_names_each_attempt_and_no_content(callbacks):
    await callbacks.begin()
    callbacks.receiver.refused_items.add("tin")
    await callbacks.tell("tin", "accepted")
    process = await callbacks.work()
    callbacks.receiver.refused_items.clear()
    callbacks.clock.advance(6)
    await callbacks.work(process)
    attempts = await AttemptLog(callbacks.bus).newest(UNIT, callbacks.id, 5)
    assert [(one.status, one.kind.value) for one in attempts] == [
        (204, "accepted"),
        (500, "accepted"),
    ]
    assert {one.fact for one in attempts} == {callbacks.receiver.arrived[0].id}
