"""Units on the bus: one is never taken for another, and hears nothing that is not its own."""

import asyncio
import base64
import itertools
import json
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import nkeys
import pytest

from consumers.intake.inbound import InboundMover
from consumers.operations.capacity import CapacityMonitor
from contracts import subjects
from contracts.errors import Unavailable
from producers.access import Access, without_password
from producers.bus import Bus, topology
from producers.bus_access.rights import ADMIN
from producers.bus_access.unit_accounts import UnitAccount, write_units
from producers.nats_server import NatsServer
from producers.publisher import Publisher
from tests.support.bus_configuration import server_settings, write_configuration
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, wait_until
from tests.support.ports import free_port
from tests.support.unit_keys import create_unit_key

UNITS = (UNIT, "van-phong-bo", "vu-phap-che")
TRIES = 1000
PACE_S = 0.05
SEED = 20261129
SECRET = b"SECRET-OF-LOA"
FOREIGN_SUBJECTS = [
    "publication.tin-tuc.x",
    "dead.intake",
    "deliver.email.normal",
    "sched.x",
    "receipt.email.bounced",
    "opinion.portal.x.satisfied",
    "case.{other}.updated",
    "$KV.units.{other}",
    "$KV.subscribers.x",
    "$KV.vault.x",
    "$KV.control.x",
    "$JS.API.INFO",
    "$JS.API.STREAM.NAMES",
    "$JS.API.STREAM.LIST",
    "$JS.API.STREAM.INFO.IN_{other}",
    "$JS.API.STREAM.INFO.CONTENT",
    "$JS.API.STREAM.CREATE.MINE",
    "$JS.API.STREAM.UPDATE.IN_{own}",
    "$JS.API.STREAM.DELETE.IN_{other}",
    "$JS.API.STREAM.PURGE.CONTENT",
    "$JS.API.STREAM.SNAPSHOT.KV_subscribers",
    "$JS.API.STREAM.MSG.GET.CONTENT",
    "$JS.API.STREAM.MSG.DELETE.IN_{other}",
    "$JS.API.DIRECT.GET.KV_subscribers",
    "$JS.API.DIRECT.GET.CONTENT.content.{other}.submitted",
    "$JS.API.CONSUMER.CREATE.CONTENT.mine",
    "$JS.API.CONSUMER.DELETE.IN_{other}.intake",
    "$JS.API.CONSUMER.PAUSE.IN_{other}.intake",
    "$JS.API.CONSUMER.MSG.NEXT.IN_{other}.intake",
    "$JS.API.META.LEADER.STEPDOWN",
    "$JS.ACK.IN_{other}.intake.1.1.1.1.0",
    "$JS.FC.IN_{other}.x",
    "$SYS.REQ.SERVER.PING.CONNZ",
    "$SYS.REQ.SERVER.PING",
    "$SYS.REQ.ACCOUNT.PING.CONNZ",
    "$SYS.REQ.ACCOUNT.LOA.CONNZ",
    "$SYS.REQ.ACCOUNT.PING.STATZ",
    "$SYS.REQ.USER.INFO",
    "$SYS.REQ.SERVER.PING.JSZ",
    "$SYS.REQ.CLAIMS.UPDATE",
    "$SYS.ACCOUNT.LOA.CONNECT",
    "content.{other}.submitted",
    "content.{other}.withdrawn",
    "in.{other}.submitted",
    "in.{own}.submitted",
    "content.{own}",
    "content.{own}.submitted.{other}",
    "content.*.submitted",
    "content.>",
    "in.>",
    ">",
    "_INBOX.{other}",
    "_R_.x",
    "UNIT-{other}.content.{other}.submitted",
]
OWN_SUBJECTS = ["content.{own}." + kind for kind in ("submitted", "withdrawn", "x", "{other}")]
REPLIES = [
    "_INBOX.mine",
    "_INBOX.{other}",
    "content.{other}.submitted",
    "in.{other}.submitted",
    "content.{own}.submitted",
    "$JS.API.STREAM.DELETE.CONTENT",
    "$KV.units.{other}",
    "$JS.ACK.IN_{other}.intake.1.1.1.1.0",
    "publication.tin-tuc.x",
    ">",
    "_R_.x",
]
HEADERS = (
    ("Nats-Msg-Id", ("of-{other}", "of-loa", "of-{own}")),
    ("Nats-Rollup", ("all", "sub")),
    ("Nats-Schedule", ("@at 2020-01-01T00:00:00Z", "@every 1s")),
    ("Nats-Schedule-Target", ("in.{other}.submitted", "content.{other}.submitted")),
    ("Nats-Schedule-Source", ("content.{other}.submitted",)),
    ("Nats-Scheduler", ("in.{other}.submitted",)),
    ("Nats-Schedule-Next", ("purge",)),
    ("Nats-TTL", ("1s", "never")),
    ("Nats-Batch-Id", ("one",)),
    ("Nats-Batch-Sequence", ("1", "2")),
    ("Nats-Batch-Commit", ("1",)),
    ("Nats-Incr", ("+1",)),
    ("Nats-Expected-Stream", ("IN_{other}", "CONTENT", "IN_{own}")),
    ("Nats-Expected-Last-Sequence", ("0",)),
    ("Nats-Stream-Source", ("IN_{other} 1 > > in.{other}.submitted",)),
    ("Nats-Subject", ("content.{other}.submitted",)),
    ("Nats-Request-Info", ('{{"acc":"UNIT-{other}"}}',)),
    ("Nats-Trace-Dest", ("_INBOX.mine", "in.{other}.submitted")),
    ("KV-Operation", ("PURGE",)),
    ("Status", ("404", "503")),
    ("ce-source", ("/units/{other}",)),
)
HEARD_OF = [
    ">",
    "*.>",
    "content.>",
    "content.{other}.>",
    "in.>",
    "in.{other}.submitted",
    "publication.>",
    "publication.status.>",
    "publication.status.*.*",
    "publication.status.{other}.*",
    "$KV.>",
    "$JS.>",
    "$JS.API.>",
    "$SYS.>",
    "$SYS.REQ.>",
    "_R_.>",
    "_INBOX.>",
    "dead.>",
    "deliver.>",
    "*.*.*",
    "_INBOX.{other}.>",
]


TOLD_BY_THE_SERVER = (b'"connections"', b'"num_conn', b'"config"', b'"streams"', b'"jetstream"')
"""Parts of what the server's own services answer."""


class WireClient:
    """A client that writes the protocol itself, and keeps every line that it is sent."""

    def __init__(self, unit, reader, writer):
        self.unit, self.reader, self.writer = unit, reader, writer
        self.said = bytearray()

    @classmethod
    async def connect(cls, url, unit, seed=None):
        where = urlsplit(url)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        info = json.loads((await reader.readline()).removeprefix(b"INFO "))
        options = {"verbose": False, "headers": True, "no_responders": True, "name": unit}
        if seed:
            pair = nkeys.from_seed(bytearray(seed))
            signed = base64.urlsafe_b64encode(pair.sign(info["nonce"].encode())).rstrip(b"=")
            options |= {"nkey": pair.public_key.decode(), "sig": signed.decode()}
        client = cls(unit, reader, writer)
        client.send(f"CONNECT {json.dumps(options)}\r\n".encode())
        return client

    def send(self, data):
        self.writer.write(data)

    def publish(self, subject, reply, headers, body):
        head = "".join(f"{name}: {value}\r\n" for name, value in headers)
        head = f"NATS/1.0\r\n{head}\r\n".encode()
        sizes = f"{len(head)} {len(head) + len(body)}"
        self.send(f"HPUB {subject} {reply} {sizes}\r\n".encode() + head + body + b"\r\n")

    async def settle(self):
        """Read until the server has worked off all that was sent."""
        self.send(b"PING\r\n")
        await self.writer.drain()
        async with asyncio.timeout(60):
            while line := await self.reader.readline():
                self.said += line
                if line == b"PONG\r\n":
                    return
                if line == b"PING\r\n":
                    self.send(b"PONG\r\n")
        raise ConnectionError(bytes(self.said[-500:]))

    async def close(self):
        self.writer.close()
        await asyncio.wait([asyncio.ensure_future(self.writer.wait_closed())])


@pytest.fixture
async def keys(tmp_path):
    return [create_unit_key(tmp_path, unit) for unit in UNITS]


@pytest.fixture
async def server(tmp_path, keys):
    async with NatsServer(tmp_path / "nats") as server:
        async with await Bus.connect(server.url) as bus:
            await topology.apply(bus, UNITS)
        await server.admit_units([key.account for key in keys])
        yield server


@pytest.fixture
async def bus(server):
    async with await Bus.connect(server.url) as bus:
        yield bus


def attempt(rng, own, others, number):
    """One message: subject, reply, headers and a body that names who sent it."""
    names = {"own": own, "other": rng.choice(others)}
    tried = rng.choice((FOREIGN_SUBJECTS, OWN_SUBJECTS))
    subject = rng.choice(tried).format(**names)
    reply = rng.choice(REPLIES).format(**names)
    chosen = rng.sample(HEADERS, rng.randrange(4))
    headers = [(name, rng.choice(values).format(**names)) for name, values in chosen]
    return subject, reply, headers, f"{own}|{number}".encode()


async def states(bus):
    """By stream: configuration, first and last sequence, number of messages and consumers."""
    infos = (await bus.connection.api_request("STREAM.LIST"))["streams"]
    return {
        info["config"]["name"]: (
            info["config"],
            info["state"]["messages"],
            info["state"]["last_seq"],
        )
        for info in infos
    }


async def put_secrets(bus):
    for subject in ("publication.tin-tuc.x", "content.loa.submitted", "dead.intake"):
        await bus.publish(subject, SECRET, msg_id="of-loa")
    for unit in UNITS:
        await bus.publish(subjects.status(unit, "of-one"), f"{unit}|".encode())
    for bucket in ("units", "subscribers", "control", "vault"):
        await bus.bucket(bucket).put("x", SECRET)


@pytest.fixture
async def attackers(server, keys):
    """A client of each unit, which listens to everything that it can think of."""
    clients = []
    for key in keys:
        client = await WireClient.connect(server.url, key.unit, key.file.read_bytes())
        others = [unit for unit in UNITS if unit != key.unit]
        wanted = [subject.format(other=others[0]) for subject in HEARD_OF]
        for number, subject in enumerate((*wanted, "_INBOX.mine")):
            client.send(f"SUB {subject} {number + 1}\r\n".encode())
        await client.settle()
        clients.append(client)
    yield clients
    for client in clients:
        await client.close()


async def test_a_thousand_tries_store_and_show_nothing_foreign(bus, keys, attackers):
    rng = random.Random(SEED)
    await put_secrets(bus)
    before = await states(bus)
    for number in range(TRIES):
        client = attackers[number % len(attackers)]
        others = [unit for unit in UNITS if unit != client.unit]
        client.publish(*attempt(rng, client.unit, others, number))
        if number % 25 == 0:
            await client.settle()
            await bus.publish("content.loa.submitted", SECRET)
    for client in attackers:
        await client.settle()
    await assert_only_own(bus)
    assert_nothing_heard(attackers, keys)
    own, after = {f"IN_{unit}" for unit in UNITS} | {"CONTENT"}, await states(bus)
    changed = {name for name in before | after if before.get(name) != after.get(name)}
    assert changed == own and all(before[name][0] == after[name][0] for name in own)


async def assert_only_own(bus):
    """Each unit's stream holds what that unit sent, and some of it; CONTENT what Loa sent."""
    for unit in UNITS:
        bodies = [message.data async for message in bus.scan(f"IN_{unit}")]
        assert bodies and {body.partition(b"|")[0] for body in bodies} == {unit.encode()}
    assert {one.data async for one in bus.scan("CONTENT")} == {SECRET}


def assert_nothing_heard(clients, keys):
    for client, key in zip(clients, keys, strict=True):
        said = bytes(client.said)
        others = [(other.unit, other.public) for other in keys if other is not key]
        assert b"Permissions Violation" in said and SECRET not in said
        for unit, public in others:
            assert f"{unit}|".encode() not in said, unit
            assert public.encode() not in said
        for told in TOLD_BY_THE_SERVER:
            assert told not in said, told


@pytest.mark.promise("17.1")
async def test_a_unit_hears_of_its_own_items_and_of_no_others(bus, keys, attackers):
    for client in attackers:
        client.send(b"SUB publication.status.%s.* 99\r\n" % client.unit.encode())
        await client.settle()
    await put_secrets(bus)
    for client in attackers:
        own = f"MSG publication.status.{client.unit}.of-one 99".encode()
        async with asyncio.timeout(60):
            while own not in client.said:
                await client.settle()
    assert_nothing_heard(attackers, keys)


@pytest.mark.parametrize("kind", [b"\xff", b"a\x0b7", b"a\x0c7", b"\x00", b"x"])
async def test_no_subject_reaches_loa_that_its_client_could_not_read(bus, attackers, kind):
    client = attackers[0]
    client.send(b"PUB content.%s.%s 1\r\nx\r\n" % (client.unit.encode(), kind))
    await client.settle()
    assert (await states(bus))[f"IN_{client.unit}"][1] == 0
    client.publish(f"content.{client.unit}.submitted", "_INBOX.mine", [], b"after")
    async with asyncio.timeout(
        60
    ):  # the server answers a PING before it has stored what came before
        while (await states(bus))[f"IN_{client.unit}"][1] == 0:
            await client.settle()
    assert (await states(bus))[f"IN_{client.unit}"][1] == 1


async def test_a_stranger_is_told_nothing(server):
    client = await WireClient.connect(server.url, "stranger")
    client.send(b"SUB > 1\r\nPING\r\n")
    assert b"Authorization Violation" in await client.reader.read()
    await client.close()


async def test_two_units_with_one_message_id_are_both_kept(server, bus, keys):
    for key in keys:
        async with key.connected(server.url) as unit:
            for repeat in (False, True):
                subject = subjects.content(key.unit, "submitted")
                ack = await unit.publish(subject, key.unit.encode(), msg_id="one")
                assert (ack.stream, ack.duplicate) == (f"IN_{key.unit}", repeat)
    moving = asyncio.create_task(InboundMover(bus).run())
    async with asyncio.timeout(60):
        while (await bus.stream_info("CONTENT"))["state"]["messages"] < len(keys):
            await asyncio.sleep(0.01)
    moving.cancel()
    assert {one.data.decode() async for one in bus.scan("CONTENT")} == set(UNITS)


async def test_rotation_and_revocation_lose_nothing_of_another_unit(server, bus, keys, tmp_path):
    """A unit publishes all the while; each reload changes the keys of the others."""
    steady, changing = keys[0], keys[1]
    sent, stop = [], asyncio.Event()

    async def publish(unit):
        for number in itertools.count():
            if stop.is_set():
                return
            await unit.publish(
                subjects.content(steady.unit, "submitted"), b"%d" % number, msg_id=f"{number}"
            )
            sent.append(number)

    async with steady.connected(server.url) as unit:
        publishing = asyncio.create_task(publish(unit))
        for _ in range(8):
            old, changing = changing, create_unit_key(tmp_path, changing.unit)
            both = UnitAccount(changing.unit, (old.public, changing.public))
            await server.admit_units([steady.account, both])
            async with changing.connected(server.url) as rotated:
                await rotated.publish(subjects.content(changing.unit, "submitted"), b"rotated")
            await server.admit_units([steady.account, changing.account])
        await server.admit_units([steady.account, UnitAccount(changing.unit)])
        stop.set()
        await publishing
        assert unit.connection.disconnects == 0
    bodies = [message.data async for message in bus.scan(f"IN_{steady.unit}")]
    assert bodies == [b"%d" % number for number in sent] and len(sent) > 16
    assert (await bus.stream_info(f"IN_{changing.unit}"))["state"]["messages"] == 8


async def test_a_revoked_key_is_cut_off_at_once(server, keys):
    client = await WireClient.connect(server.url, UNITS[0], keys[0].file.read_bytes())
    await client.settle()
    await server.admit_units([UnitAccount(UNITS[0]), *(key.account for key in keys[1:])])
    async with asyncio.timeout(60):
        rest = await client.reader.read()
    assert b"-ERR" in rest or rest == b""
    await client.close()


async def test_the_client_repeats_harmlessly_and_loses_no_other_content(server, bus, keys):
    key, event = keys[0], sample_event()
    access = Access(nkey_file=key.file)
    async with Publisher(without_password(server.url), key.unit, access=access) as publisher:
        assert not (await publisher.publish(event)).duplicate
        assert (await publisher.publish(event)).duplicate
        await publisher.publish(sample_event(title="Cùng một id, nội dung khác"))
    bodies = [message.data async for message in bus.scan(f"IN_{key.unit}")]
    assert len({*bodies}) == 2


async def test_intake_moves_with_the_rights_of_its_own_key(other_server, keys, tmp_path):
    """A server of the operator's, with what `loa bus config` writes."""
    key, config = keys[0], tmp_path / "bus"
    write_units(config / "units", [key.account])
    identities = write_configuration(config).keys
    intake, admin, sweep = (
        Access(nkey_file=identities.path(name)) for name in ("intake", ADMIN, "sweep")
    )
    with other_server(server_settings(config)) as server:
        async with (
            await Bus.connect(server.url, access=admin) as bus,
            await Bus.connect(server.url, access=intake) as own,
            await Bus.connect(server.url, access=sweep) as measuring,
            key.connected(server.url) as unit,
        ):
            await topology.apply(bus, [key.unit])
            await unit.publish(subjects.content(key.unit, "submitted"), b"one")
            await CapacityMonitor(measuring, time.time).check()
            moving = asyncio.create_task(InboundMover(own).run())
            async with asyncio.timeout(60):
                while not (await bus.stream_info("CONTENT"))["state"]["messages"]:
                    await asyncio.sleep(0.01)
            moving.cancel()
            assert (await bus.stream_info(f"IN_{key.unit}"))["state"]["messages"] == 0


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path, NATS_PORT=free_port()) as loa:
        loa.add_unit(UNIT)
        yield loa


def publish(loa, seed, event):
    """Output of the client that a program of the unit uses."""

    async def send():
        url = f"nats://127.0.0.1:{loa.environ['LOA_NATS_PORT']}"
        access = Access(nkey_file=seed)
        async with Publisher(url, UNIT, access=access, patience_s=20) as publisher:
            return await publisher.publish(event)

    return asyncio.run(send())


def test_a_unit_gets_a_key_and_publishes_and_another_one_while_it_does(loa, tmp_path):
    seed, other = tmp_path / "first.nk", tmp_path / "second.nk"
    made = loa.cli("units", "bus-key", UNIT, "--out", seed, "--json")
    assert (made.exit_code, made.err) == (0, "") and seed.stat().st_mode & 0o077 == 0
    assert "seed" not in made.json and seed.read_text().strip() not in loa.log()
    publish(loa, seed, sample_event(id="mot", content_id="tin-mot"))
    loa.trace_when_complete("tin-mot")
    assert loa.cli("units", "bus-key", UNIT, "--out", other).exit_code == 0
    publish(loa, seed, sample_event(id="hai", content_id="tin-hai"))
    assert (
        loa.cli("units", "bus-key", UNIT, "--revoke", made.json["public_key"], "--yes").exit_code
        == 0
    )
    [left] = loa.cli("units", "bus-keys", UNIT, "--json").json
    assert left["public_key"] != made.json["public_key"]
    wait_until(lambda: is_refused(loa, seed), "the old key's end")
    publish(loa, other, sample_event(id="ba", content_id="tin-ba"))
    for content_id in ("tin-hai", "tin-ba"):
        loa.trace_when_complete(content_id)
    assert loa.violations() == []


def test_what_comes_under_a_revoked_key_all_the_same_is_a_dead_letter(loa, tmp_path):
    """As a server of the operator's lets it in until it reads its configuration again."""
    assert loa.cli("units", "bus-key", UNIT, "--out", tmp_path / "key.nk").exit_code == 0
    publish(loa, tmp_path / "key.nk", sample_event(id="mot", content_id="tin-mot"))
    loa.trace_when_complete("tin-mot")
    assert loa.cli("units", "revoke", UNIT, "--yes").exit_code == 0
    event = sample_event(id="hai", content_id="tin-hai")

    async def send():
        async with await Bus.connect(loa.ready().nats_url) as bus:
            headers = {"Content-Type": "application/cloudevents+json"}
            body = json.dumps(event).encode()
            await bus.publish(subjects.inbound(UNIT, "submitted"), body, headers=headers)

    asyncio.run(send())
    [letter] = wait_until(loa.dead_letters, "the dead letter")
    assert [error["field"] for error in letter["errors"]] == ["key"]
    assert letter["about"]["content_id"] == "tin-hai" and loa.violations() == []
    assert loa.cli("dead", "replay", letter["id"], "--by", "An").exit_code == 0
    wait_until(lambda: loa.dead_letters()[0]["times"] == 2, "its second death")


def is_refused(loa, seed):
    try:
        publish(loa, seed, sample_event(id="mot", content_id="tin-mot"))
    except Unavailable:
        return True
    return False


async def publish_until(stop, key_file, url, sent):
    """Publish one event after another, over outages, until told to stop."""
    access = Access(nkey_file=key_file)
    async with Publisher(url, UNIT, access=access, patience_s=60) as publisher:
        for number in itertools.count():
            name = f"tin-{number}"
            await publisher.publish(sample_event(id=name, content_id=name, channels=["portal"]))
            sent.append(name)
            if stop.is_set():
                return
            await asyncio.sleep(PACE_S)  # Loa takes the items in while it is killed


async def stored_items(url, stream):
    """The items of which a stream tells, in order, without repeats."""
    async with await Bus.connect(url) as bus:
        bodies = [json.loads(message.data) async for message in bus.scan(stream)]
    return list(dict.fromkeys(one.get("data", one)["content_id"] for one in bodies))


def test_what_was_acknowledged_outlives_kills_of_loa_in_order(loa, tmp_path):
    seed, sent, stop = tmp_path / "unit.nk", [], threading.Event()
    assert loa.cli("units", "bus-key", UNIT, "--out", seed).exit_code == 0
    url = f"nats://127.0.0.1:{loa.environ['LOA_NATS_PORT']}"
    with ThreadPoolExecutor(1) as pool:
        working = pool.submit(asyncio.run, publish_until(stop, seed, url, sent))
        for _ in range(3):
            enough = len(sent) + 20
            wait_until(lambda enough=enough: len(sent) > enough or working.done(), "events")
            loa.kill()
            loa.start()
        stop.set()
        working.result(60)
    bus = loa.ready().nats_url
    wait_until(
        lambda: len(asyncio.run(stored_items(bus, "PUBLICATIONS"))) >= len(sent), "all items", 500
    )
    assert asyncio.run(stored_items(bus, "CONTENT")) == sent
    assert loa.violations() == [] == loa.dead_letters()


def test_a_key_works_at_once_after_a_start_and_revoke_ends_it(loa, tmp_path):
    seed = tmp_path / "unit.nk"
    loa.stop()
    told = loa.cli("units", "bus-key", UNIT, "--out", seed)
    assert told.exit_code == 0 and "next start" in told.out
    loa.start()
    wait_until(lambda: not is_refused(loa, seed), "the key")
    loa.stop()
    loa.start()
    assert not is_refused(loa, seed)
    assert loa.cli("units", "revoke", UNIT, "--yes").exit_code == 0
    wait_until(lambda: is_refused(loa, seed), "the key's end")
