"""Every identity, every subject: the server lets through what the table says, and no more."""

import re
import tomllib
from pathlib import Path

import pytest

from contracts import subjects
from producers.access import Access
from producers.bus import Bus, topology
from producers.bus_access import enforcement, rights
from producers.bus_access.enforcement import Server
from producers.bus_access.key_files import KeyFolder
from producers.bus_access.rights import ADMIN, WHOLE, identities
from producers.bus_access.unit_accounts import UnitAccount, write_units
from tests.support.bus_configuration import server_settings, write_configuration

SECTIONS = tomllib.loads(Path(rights.__file__).with_name("rights.toml").read_text())
BUCKETS = {bucket.name for bucket in subjects.BUCKETS}
CALL = re.compile(
    r"\$JS\.API\.(STREAM|CONSUMER|DIRECT)"
    r"\.((?:MSG\.|DURABLE\.|LEADER\.|PEER\.)?[A-Z]+)\.(\w+)(.*)"
)
SERVICES = [name for name in identities() if name not in (ADMIN, WHOLE)]


UNITS = ("van-phong-bo", "vu-phap-che", "cuc-van-thu")


@pytest.fixture(scope="module")
def unit_keys(tmp_path_factory):
    return KeyFolder(tmp_path_factory.mktemp("units"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory, unit_keys):
    path = tmp_path_factory.mktemp("bus")
    write_units(path / "units", [UnitAccount(unit, (unit_keys.ensure(unit),)) for unit in UNITS])
    return write_configuration(path)


@pytest.fixture
async def server_to_harm(folder, other_server):
    with other_server(server_settings(folder.folder)) as server:
        access = Access(nkey_file=folder.keys.path(ADMIN))
        async with await Bus.connect(server.url, access=access) as bus:
            await topology.apply(bus, UNITS)
        yield server


@pytest.fixture
async def server(folder, server_to_harm):
    access = Access(nkey_file=folder.keys.path(ADMIN))
    async with await Bus.connect(server_to_harm.url, access=access) as bus:
        before = await state(bus)
        yield server_to_harm
        assert await state(bus) == before, "an attempt left something"


async def state(bus):
    infos = (await bus.connection.api_request("STREAM.LIST"))["streams"]
    return {one["config"]["name"]: (one["config"], one["state"]["last_seq"]) for one in infos}


def stream_of(name):
    return f"KV_{name}" if name in BUCKETS else name


def is_granted(service, subject):
    """By the table's own words, not by what Loa makes of them."""
    every, own = SECTIONS["every-service"], SECTIONS[service]
    says = {
        word: [*every.get(word, []), *own.get(word, [])]
        for word in ("consume", "publish", "read", "write", "follow", "erase", "measure")
    }
    if call := CALL.fullmatch(subject):
        return is_call_granted(says, call[1], call[2], call[3], call[4].lstrip("."))
    if ack := re.fullmatch(r"\$JS\.ACK\.(\w+)\.([\w-]+)\..*", subject):
        return is_consumed(says, ack[1], ack[2])
    if key := re.fullmatch(r"\$KV\.(\w+)\.(.+)", subject):
        places = [place.partition(":") for place in says["write"]]
        return any(b == key[1] and matches(keys or ">", key[2]) for b, _, keys in places)
    if subject.startswith("$"):
        lists = ("$JS.API.STREAM.LIST", "$JS.API.STREAM.NAMES")
        return subject in (*lists, "$SYS.REQ.SERVER.PING.JSZ")
    return any(matches(pattern, subject) for pattern in says["publish"])


def is_call_granted(says, kind, call, stream, rest):
    if (kind, call) == ("STREAM", "INFO"):
        return stream == "RESTORING" or stream in named(says)
    words = {
        ("STREAM", "MSG.GET"): "read",
        ("DIRECT", "GET"): "read",
        ("STREAM", "MSG.DELETE"): "erase",
    }
    if word := words.get((kind, call)):
        return not rest and stream in map(stream_of, says[word])
    return kind == "CONSUMER" and bool(rest) and is_consumer_call_granted(says, call, stream, rest)


def is_consumer_call_granted(says, call, stream, durable):
    is_followed = "." not in durable and stream in map(stream_of, says["follow"])
    if call == "INFO":
        has_consumers = any(one.name == stream and one.consumers for one in subjects.STREAMS)
        is_read = has_consumers and stream in map(stream_of, says["read"])
        return is_read or is_consumed(says, stream, durable)
    if call == "MSG.NEXT":
        return is_followed or is_consumed(says, stream, durable)
    return call == "CREATE" and is_followed


def is_consumed(says, stream, durable):
    spec = next((one for one in subjects.STREAMS if one.name == stream), None)
    known = spec is not None and durable in [one.durable for one in spec.consumers]
    return known and any(
        place.partition("/")[0] == stream
        and re.fullmatch(place.partition("/")[2].replace("*", ".*"), durable)
        for place in says["consume"]
    )


def named(says):
    if "*" in says["measure"]:
        return set(topology.stream_names())
    places = [*says["read"], *says["follow"], *says["erase"], *says["measure"]]
    places += [one.partition("/")[0] for one in says["consume"]]
    places += [one.partition(":")[0] for one in says["write"]]
    publishing = [
        stream.name
        for stream in subjects.STREAMS
        for pattern in says["publish"]
        if any(matches(kept, pattern) for kept in stream.subjects)
    ]
    return {*map(stream_of, places), *publishing}


def matches(pattern, subject):
    regex = re.escape(pattern).replace(r"\*", r"[^.]+").replace(">", ".+")
    return re.fullmatch(regex, subject) is not None


async def test_a_stranger_is_not_let_in(server):
    assert await enforcement.try_stranger(Server(server.url)) == []


async def test_every_cell_of_the_table_is_as_it_says(server, folder):
    tried = enforcement.all_subjects()
    assert len({subject.lower() for subject in tried}) == len(tried)
    for service in SERVICES:
        access = Access(nkey_file=folder.keys.path(service))
        prober = await enforcement.open_prober(Server(server.url), access)
        refused = await prober.publish(tried)
        heard = set(enforcement.HEARD) - await prober.subscribe(enforcement.HEARD)
        await prober.nc.close()
        granted = {subject for subject in tried if is_granted(service, subject)}
        assert (service, set(tried) - refused, heard) == (service, granted, set())
        assert 0 < len(granted) < len(tried) / 3


async def test_all_services_in_one_process_have_the_rights_of_all_and_no_more(server, folder):
    tried = enforcement.all_subjects()
    prober = await enforcement.open_prober(
        Server(server.url), Access(nkey_file=folder.keys.path(WHOLE))
    )
    allowed = set(tried) - await prober.publish(tried)
    await prober.nc.close()
    one_of_them = {s for s in tried if any(is_granted(service, s) for service in SERVICES)}
    assert allowed == one_of_them


async def test_a_unit_publishes_its_own_content_and_nothing_else(server, folder, unit_keys):
    tried = [*enforcement.all_subjects(folder.units), *(f"content.{u}.withdrawn" for u in UNITS)]
    for unit in UNITS:
        access = Access(nkey_file=unit_keys.path(unit))
        prober = await enforcement.open_prober(Server(server.url), access)
        refused = await prober.publish(tried)
        heard = set(enforcement.HEARD) - await prober.subscribe(enforcement.HEARD)
        await prober.nc.close()
        own = {subject for subject in tried if subject.startswith(f"content.{unit}.")}
        assert (unit, set(tried) - refused) == (unit, own) and own
        assert heard == {"_INBOX.>", "_INBOX.x.>"}, "its own account's, which no other reaches"


async def test_of_the_units_streams_intake_alone_takes_and_erases(server, folder):
    streams = [f"IN_{unit}" for unit in UNITS]
    tried = [s for s in enforcement.all_subjects(folder.units) if ".IN_" in s]
    for service in SERVICES:
        prober = await enforcement.open_prober(
            Server(server.url), Access(nkey_file=folder.keys.path(service))
        )
        allowed = set(tried) - await prober.publish(tried)
        await prober.nc.close()
        taking = {
            subject.format(stream)
            for stream in streams
            for subject in (
                "$JS.API.STREAM.INFO.{}",
                "$JS.API.CONSUMER.INFO.{}.intake",
                "$JS.API.CONSUMER.MSG.NEXT.{}.intake",
                "$JS.ACK.{}.intake.1.0.0.0.0",
                "$JS.API.STREAM.MSG.DELETE.{}",  # a case event's contact must not stay
            )
        }
        measured = {f"$JS.API.STREAM.INFO.{stream}" for stream in streams}
        granted = {"intake": taking, "sweep": measured, "gateway": measured}.get(service, set())
        assert (service, allowed) == (service, granted)


async def test_headers_and_replies_are_beyond_permissions(server_to_harm, folder):
    """Limits of rights by docs/threat-model.md; seals and dead letters cover the rest."""
    access = Access(nkey_file=folder.keys.path("pages"))
    admin = Access(nkey_file=folder.keys.path(ADMIN))
    async with (
        await Bus.connect(server_to_harm.url, access=admin) as all_rights,
        await Bus.connect(server_to_harm.url, access=access) as pages,
    ):
        control = all_rights.bucket("control")
        await control.put("pause.email", b"{}")
        publication = subjects.publication("thu-tuc-hanh-chinh", "tin-gia")
        query = b'{"last_by_subj": "$KV.control.pause.email"}'
        await pages.nc.publish("$JS.API.DIRECT.GET.KV_control", query, reply=publication)
        rollup = {"Nats-Rollup": "all"}
        await pages.publish("$KV.control.letters.email", b"{}", headers=rollup)
        assert await control.keys() == ["letters.email"], "the whole bucket was replaced"
        state = (await all_rights.stream_info("PUBLICATIONS"))["state"]
        assert state["messages"] == 1, "the server's answer went where pages may not write"
