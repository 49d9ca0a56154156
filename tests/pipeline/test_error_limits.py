"""However much is wrong with an event, what is said of it stays small, at every door."""

import json

import pytest

from consumers.app import broker as app_broker
from consumers.app.decode import ContentMessage
from consumers.dead_letters.letter import MessageOrigin
from consumers.dead_letters.store import INLINE_BYTES, LETTER_BYTES, DeadLetterStore
from contracts import events, subjects
from contracts.content import Submitted
from contracts.envelope import from_structured, read_each
from contracts.errors import (
    MAX_ERRORS,
    MAX_FIELD_LENGTH,
    WHOLE_EVENT,
    FieldError,
    Invalid,
    Unreadable,
    explain,
    field_error,
)
from contracts.vocabulary import DEFAULT
from producers.bus import BusError, NoReply, StorageFull
from tests.support.gateway_client import BATCH, UNIT, open_gateway, sample_event

KEYS = 20_000
SMALL = 64 * 1024
LAST = f"and {KEYS - MAX_ERRORS} more errors, not shown here"


def hostile(id: str = "e-1", keys: int = KEYS, name: str = "k") -> bytes:
    """A good event but for *keys* unknown fields."""
    event = sample_event(id=id, content_id=id)
    event["data"] |= {f"{name}{number}": 1 for number in range(keys)}
    return json.dumps(event, separators=(",", ":")).encode()


def refused(body: bytes) -> Invalid:
    with pytest.raises(Invalid) as caught:
        events.check(from_structured(body), DEFAULT)
    return caught.value


def test_twenty_thousand_faults_are_fifty_and_one_that_counts_the_rest():
    assert 200_000 < len(hostile()) <= 256 * 1024, "as large as a door takes"
    errors = refused(hostile()).errors
    assert [error.field for error in errors[:2]] == ["data.k0", "data.k1"]
    assert len(errors) == MAX_ERRORS + 1
    assert errors[-1].field == WHOLE_EVENT
    assert errors[-1].message == LAST
    assert errors[-1].message_vi == f"và {KEYS - MAX_ERRORS} lỗi khác, không liệt kê ở đây"
    assert len(str(refused(hostile()))) < SMALL


def test_as_many_faults_as_are_shown_need_no_last_word():
    errors = refused(hostile(keys=MAX_ERRORS)).errors
    assert len(errors) == MAX_ERRORS
    assert errors[-1].field == f"data.k{MAX_ERRORS - 1}"


def test_a_batch_counts_what_each_of_its_events_has_left_out():
    bodies = [hostile(f"e-{number}", keys=100) for number in range(3)]
    with pytest.raises(Invalid) as caught:
        read_each(bodies, lambda body: events.check(from_structured(body), DEFAULT))
    errors = caught.value.errors
    assert len(errors) == MAX_ERRORS + 1
    assert errors[0].field == "[0].data.k0"
    assert errors[-1].message == f"and {3 * 100 - MAX_ERRORS} more errors, not shown here"


@pytest.mark.parametrize("name", ["a" * 300, "\x1b[2J" * 100, "Đ" * 201, "\ud800" * 90])
def test_a_field_name_is_cut_and_made_visible(name):
    error = field_error(name, "missing")
    assert error.field.isprintable()
    assert len(error.field) == MAX_FIELD_LENGTH + 1
    assert error.field.endswith("…")
    assert FieldError.model_validate_json(error.model_dump_json()) == error
    assert len(error.within("[3]").field) == MAX_FIELD_LENGTH + 1


def test_a_key_said_twice_is_named_bounded():
    with pytest.raises(Unreadable) as caught:
        from_structured(b'{"%s":1,"%s":2}' % (b"k" * 100_000, b"k" * 100_000))
    assert len(caught.value.errors[0].field) == MAX_FIELD_LENGTH + 1


def test_a_model_of_ours_explains_itself_the_same_way():
    with pytest.raises(ValueError, match="validation errors") as caught:
        Submitted.model_validate({f"k{number}": 1 for number in range(KEYS)}, extra="forbid")
    assert len(explain(caught.value)) == MAX_ERRORS + 1


@pytest.mark.parametrize("name", ["k", "Ø" * 5, '\\"' * 20])
async def test_the_http_door_answers_little(bus, clock, name):
    keys = KEYS if name == "k" else 2500
    async with open_gateway(bus, clock) as door:
        answer = await door.post(hostile(keys=keys, name=name))
        assert await door.stored_events() == []
    assert answer.status_code == 422
    assert len(answer.content) < SMALL
    assert len(answer.json()["errors"]) == MAX_ERRORS + 1


async def test_the_http_door_answers_little_to_a_batch(bus, clock):
    batch = [json.loads(hostile(f"e-{number}", keys=5000)) for number in range(20)]
    async with open_gateway(bus, clock) as door:
        answer = await door.post(batch, BATCH)
    assert answer.status_code == 422
    assert len(answer.content) < SMALL
    assert answer.json()["errors"][-1]["message"].startswith(f"and {20 * 5000 - MAX_ERRORS} more")


async def letters(bus):
    return [letter async for letter in DeadLetterStore(bus).letters()]


async def until_settled(bus, seq: int) -> None:
    """Acknowledged up to *seq*: "nothing pending" is also said before the server has counted it."""
    while True:
        info = await bus.consumer_info(subjects.CONTENT.name, subjects.INTAKE)
        if info["ack_floor"]["stream_seq"] >= seq:
            return


@pytest.fixture
async def running_intake(bus, nats_server):
    """The consumers' shell over CONTENT, which checks each event and has real dead letters."""
    broker = app_broker.create_broker(
        nats_server.url, DeadLetterStore(bus).bury_message, app_broker.BrokerWatch()
    )

    async def on_content(arrival: ContentMessage) -> None:
        events.check(arrival.event, DEFAULT)

    app_broker.subscribe(broker, subjects.CONTENT, subjects.CONTENT.consumers[0], on_content)
    await broker.start()
    yield
    await broker.stop()


async def test_from_the_bus_it_becomes_one_letter_and_the_message_is_settled(bus, running_intake):
    body = hostile()
    ack = await bus.publish(subjects.content(UNIT, "submitted"), body)
    await until_settled(bus, ack.seq)
    [letter] = await letters(bus)
    assert letter.original == body
    assert len(letter.errors) == MAX_ERRORS + 1
    assert letter.errors[-1].message == LAST
    assert len(letter.to_stored) <= LETTER_BYTES


async def test_headers_that_leave_no_room_stay_at_the_origin_with_the_body(bus):
    headers, body = {"ce-h": "\x01" * 60_000}, b"x" * INLINE_BYTES
    subject = subjects.content(UNIT, "submitted")
    ack = await bus.publish(subject, body, headers=headers)
    origin = MessageOrigin(subject=subject, stream=ack.stream, seq=ack.seq, headers=headers)
    dead, errors = DeadLetterStore(bus), [field_error(f"f{n}", "missing") for n in range(9)]
    await dead.bury("intake", origin, body, errors)
    [listed] = await letters(bus)
    assert (listed.body, listed.origin.headers) == (None, {})
    shown = await dead.load(listed.id)
    assert shown.original == body
    assert shown.origin.headers.items() >= headers.items()
    assert [error.field for error in shown.errors] == ["f0", "f1", "f2", "f3", "f4", WHOLE_EVENT]
    assert shown.errors[-1].message.startswith("and 4 more")


async def test_what_the_server_finds_too_large_is_buried_light(bus):
    config = (await bus.stream_info("DEAD"))["config"] | {"max_msg_size": 8192}
    await bus.connection.api_request("STREAM.UPDATE.DEAD", config)
    body = hostile()
    subject = subjects.content(UNIT, "submitted")
    ack = await bus.publish(subject, body)
    origin = MessageOrigin(subject=subject, stream=ack.stream, seq=ack.seq)
    dead = DeadLetterStore(bus)
    await dead.bury("intake", origin, body, refused(body).errors)
    [listed] = await letters(bus)
    assert (await dead.load(listed.id)).original == body
    assert listed.errors[-1].message == f"and {KEYS - 5} more errors, not shown here"


@pytest.mark.parametrize("kind", [NoReply, StorageFull])
async def test_a_letter_that_may_fit_later_is_not_cut(bus, monkeypatch, kind):
    sent = []

    async def publish(subject, body, **_):
        sent.append(body)
        raise kind("not now")

    monkeypatch.setattr(bus, "publish", publish)
    origin = MessageOrigin(subject="content.x.submitted", stream="CONTENT", seq=1)
    with pytest.raises(BusError):
        await DeadLetterStore(bus).bury("intake", origin, b"{", [field_error("id", "missing")])
    assert len(sent) == 1
