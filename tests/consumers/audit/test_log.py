"""The audit log on a real bus: nothing leaves it, two writers never fork it, acts have outcomes."""

import asyncio
import json

import pytest

from consumers.audit.chain import ChainVerifier, Step
from consumers.audit.log import Act, AuditLog, parse_record
from consumers.messages import field_error
from contracts.errors import Invalid
from producers.bus import BusError, NoReply
from tests.support.events import UNIT

ADD = Act("units.add", UNIT, "an", reason="theo công văn 12, an@example.vn")


@pytest.fixture
def audit(bus, clock):
    return AuditLog(bus, clock)


async def records(audit):
    return [parse_record(message) async for message in audit.messages()]


async def faults(audit):
    head = await audit.head()
    verifier = ChainVerifier({head.n: head.h} if head.n else {})
    async for message in audit.messages():
        verifier.add(message.data)
    return verifier.finish()


async def test_an_act_is_written_before_it_is_tried_and_when_it_has_ended(audit):
    async def work():
        assert [one.step for one in await records(audit)] == [Step.INTENT]
        return 7

    assert await audit.perform(ADD, work) == 7
    intent, done = await records(audit)
    assert (done.step, done.of, done.n) == (Step.DONE, intent.n, 2)
    assert (intent.actor, intent.action, intent.object) == ("an", "units.add", UNIT)
    assert "an@example.vn" not in intent.reason
    assert await faults(audit) == []


@pytest.mark.parametrize(
    "error", [Invalid(field_error("id", "not_waiting", value="x")), NoReply("away")]
)
async def test_an_act_that_failed_says_so(audit, error):
    async def work():
        raise error

    with pytest.raises(type(error)):
        await audit.perform(ADD, work)
    assert [one.step for one in await records(audit)] == [Step.INTENT, Step.FAILED]


async def test_writers_at_once_make_one_chain(audit):
    numbers = await asyncio.gather(*(audit.record(ADD) for _ in range(12)))
    assert sorted(numbers) == list(range(1, 13))
    assert await faults(audit) == []


async def test_a_first_record_that_comes_between_two_looks_is_continued(bus, audit, monkeypatch):
    look = bus.last_message

    async def be_overtaken(*place):
        last = await look(*place)
        monkeypatch.undo()
        await audit.record(ADD)
        return last

    monkeypatch.setattr(bus, "last_message", be_overtaken)
    await audit.record(ADD)
    assert (len(await records(audit)), await faults(audit)) == (2, [])


async def test_the_server_refuses_to_remove_a_record(bus, audit):
    await audit.record(ADD)
    for call, query in (("STREAM.PURGE.AUDIT", {}), ("STREAM.MSG.DELETE.AUDIT", {"seq": 1})):
        with pytest.raises(BusError):
            await bus.connection.api_request(call, query)
    assert len(await records(audit)) == 1


async def test_an_act_that_a_crash_left_open_gets_an_outcome_once(audit, clock):
    intent = await audit.record(ADD, Step.INTENT)
    await audit.finish_interrupted()
    assert len(await records(audit)) == 1, "a command may still be at it"
    clock.advance(2 * 3600)
    await audit.finish_interrupted()
    await audit.finish_interrupted()
    _, outcome = await records(audit)
    assert (outcome.step, outcome.of) == (Step.INTERRUPTED, intent)


async def test_a_foreign_message_is_named_and_the_log_goes_on_behind_it(bus, audit):
    await audit.record(ADD)
    await bus.publish("audit.record", b"not ours")
    await audit.record(ADD)
    assert [(one.n, one.fault.value) for one in await faults(audit)] == [(2, "changed")]


async def test_what_an_operator_does_is_in_the_log_by_name(loa, bus, audit):
    assert (await loa("pause", "email", "--by", "An", "--reason", "thử")).exit_code == 0
    assert (await loa("units", "add", UNIT)).exit_code == 0
    assert (await loa("units", "add", UNIT)).exit_code == 2
    told = [(one.action, one.object, one.step.value) for one in await records(audit)]
    assert told == [
        ("channel.pause", "email", "intent"),
        ("channel.pause", "email", "done"),
        ("units.add", UNIT, "intent"),
        ("units.add", UNIT, "done"),
        ("units.add", UNIT, "intent"),
        ("units.add", UNIT, "failed"),
    ]
    assert (await records(audit))[0].actor == "An"
    key_free = [json.loads(one.encode()) for one in await records(audit)]
    assert all("loa_" not in str(one) for one in key_free)


async def test_the_command_proves_the_log_and_names_a_tail_that_was_cut_off(loa, bus, audit):
    for _ in range(3):
        await audit.record(ADD)
    accept = ("audit", "accept", "--reason", "đã xem", "--by", "An")
    assert (await loa(*accept)).exit_code == 2, "nobody can be asked"
    assert (await loa(*accept, "--yes")).exit_code == 0
    whole = await loa("audit", "verify")
    assert whole.exit_code == 0, whole.output
    exported = await loa("audit", "export")
    assert len([one for one in exported.stdout.splitlines() if one.startswith("{")]) >= 5
    await bus.connection.api_request("STREAM.DELETE.AUDIT")
    config = {"name": "AUDIT", "subjects": ["audit.record"], "allow_direct": True}
    await bus.connection.api_request("STREAM.CREATE.AUDIT", config)
    cut = await loa("audit", "verify")
    assert cut.exit_code == 1
    assert "cut off" in cut.output and "bị cắt" in cut.output
