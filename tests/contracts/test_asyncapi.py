"""The AsyncAPI document is valid, whole, and says what the bus really is."""

import json
import re
from functools import reduce
from itertools import product
from operator import getitem
from pathlib import Path

import jsonschema_rs
import pytest

import contracts
from contracts import events, subjects
from contracts.delivery import BatchKey, ChannelName, Lane
from contracts.facts.content_status import STATUS_CHANGED
from contracts.publication import RELEASED
from contracts.schemas import asyncapi

SENT = (RELEASED, STATUS_CHANGED)
COMMITTED = Path(contracts.__file__).parent / "schemas" / "asyncapi.json"
OFFICIAL = json.loads((Path(__file__).parent / "asyncapi-3.1.0.schema.json").read_text())
DOCUMENT = asyncapi.build_document()
ROADS = list(asyncapi.bus_channels())


def covers(pattern, address):
    """Whether a stream's subject takes the address."""
    regex = re.escape(pattern).replace(r"\*", "[^.]+").replace(">", ".+")
    return re.fullmatch(regex, address) is not None


def follow(reference):
    return reduce(getitem, reference.removeprefix("#/").split("/"), DOCUMENT)


def test_the_document_is_valid_asyncapi_3_1():
    validator = jsonschema_rs.Draft7Validator(OFFICIAL)
    assert [str(error) for error in validator.iter_errors(DOCUMENT)] == []
    assert not validator.is_valid(DOCUMENT | {"channels": {"x": {"adress": "y"}}})
    assert not validator.is_valid({key: part for key, part in DOCUMENT.items() if key != "info"})


def test_every_reference_leads_somewhere():
    for channel in DOCUMENT["channels"].values():
        for message in channel["messages"].values():
            assert follow(message["$ref"])
        assert set(channel["parameters"]) == set(re.findall(r"{(\w+)}", channel["address"]))
    for operation in DOCUMENT["operations"].values():
        assert follow(operation["channel"]["$ref"])
        for message in operation["messages"]:
            assert follow(message["$ref"])


def test_every_payload_is_a_committed_schema():
    messages = DOCUMENT["components"]["messages"]
    named = {
        message["payload"]["schema"]["$ref"]
        for message in messages.values()
        if "payload" in message
    }
    assert named == {f"./{event_type}.event.json" for event_type in (*events.KINDS, *SENT)}
    assert all((COMMITTED.parent / name).is_file() for name in named)


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.name)
def test_every_address_lies_in_its_stream_and_in_no_other(road):
    takers = {
        stream.name
        for stream in subjects.STREAMS
        if any(covers(subject, road.address) for subject in stream.subjects)
    }
    assert takers == {road.stream.name}


@pytest.mark.parametrize("stream", subjects.STREAMS, ids=lambda stream: stream.name)
def test_every_subject_and_consumer_of_a_stream_is_described(stream):
    mine = [road for road in ROADS if road.stream is stream]
    for subject in stream.subjects:
        assert any(covers(subject, road.address) for road in mine), subject
    described = DOCUMENT["channels"][mine[0].name]["x-jetstream"]
    assert described["consumers"] == [consumer.durable for consumer in stream.consumers]
    assert described["max_bytes"] == stream.max_bytes
    assert bool(described["max_age_s"]) is bool(stream.max_age)


def test_every_wake_up_has_its_address_in_the_work_queue():
    addresses = {road.address for road in ROADS}
    assert {subjects.deliver(*pair) for pair in product(ChannelName, Lane)} <= addresses
    later = subjects.scheduled(BatchKey(ChannelName.EMAIL, "a", 1, 0), 3)
    assert later == "sched.email.a.1.0.3"
    assert any(covers(subject, later) for subject in subjects.DELIVER.subjects)


def test_others_see_what_they_may_send_and_follow():
    public = {road.address: road.action for road in ROADS if not road.is_internal}
    assert public == {
        "content.{unit}.submitted": "receive",
        "content.{unit}.corrected": "receive",
        "content.{unit}.withdrawn": "receive",
        "case.{unit}.updated": "receive",
        "publication.{topic}.{content_id}": "send",
        "publication.status.{unit}.{content_id}": "send",
    }
    closed = DOCUMENT["components"]["messages"][events.CASE_UPDATED]
    assert closed["x-open-at-door"] is False
