"""The calls to the bus that one case notice by mail takes: its person waits for each round."""

import pytest

from channels.base import Outcome, Verdict
from consumers.ledger.wakeups import WakeUp
from contracts import envelope, subjects
from contracts.delivery import Lane, Status
from tests.support.bus_requests import Requests, recorded_requests
from tests.support.case_pipeline import EMAIL, MAIL, UNIT, case_event

AT_THE_DOOR = [
    "read units",
    *("read publications", "read events"),
    *("write publications", "write notices"),
    "write events",
    "write case",
]
AT_INTAKE = ["read units", "read events", "write ledger", "write deliver"]
UNTIL_SENT = ["read ledger", "read CONTENT", "read notices", "write ledger"]
BY_MAIL = {"email": MAIL, "consent": True}


class EmptySuppressionCopy:
    """The worker's own copy of the suppressed addresses, which needs no bus."""

    async def reason(self, _channel, _address):
        return None


@pytest.fixture
def notices(case_pipeline):
    """Case notices, and a mail worker with its copy of the suppressed addresses."""
    [strategy] = case_pipeline.workers[EMAIL].strategies
    strategy.suppressions = EmptySuppressionCopy()
    return case_pipeline


async def accepted(notices):
    with recorded_requests() as requests:
        await notices.accepted(case_event(contact=BY_MAIL))
    return requests


async def taken_in(notices):
    """Hand the stored event to intake."""
    [stored] = [one async for one in notices.bus.scan(subjects.CONTENT.name)]
    event = envelope.decode(None, stored.headers, stored.data)
    with recorded_requests() as requests:
        await notices.cases.handle(event, UNIT, seq=stored.seq)
    return requests


async def stored_wake_up(notices):
    [stored] = [one async for one in notices.bus.scan(subjects.DELIVER.name)]
    return WakeUp.model_validate_json(stored.data)


async def sent(notices, wake_up):
    """Hand *wake_up* to the worker; the requests that precede the provider's answer."""
    before = Requests()

    def answer(_):
        before.made, before.rounds = [*requests.made], requests.rounds
        return Outcome(Verdict.DELIVERED)

    notices.providers[EMAIL].answer = answer
    with recorded_requests() as requests:
        await notices.workers[EMAIL].on_wake_up(wake_up)
    return before


async def test_a_notice_takes_eight_calls_in_five_rounds_from_its_acceptance_to_its_mail(notices):
    door, intake = await accepted(notices), await taken_in(notices)
    worker = await sent(notices, await stored_wake_up(notices))
    for stage, calls in ((door, AT_THE_DOOR), (intake, AT_INTAKE), (worker, UNTIL_SENT)):
        assert sorted(stage.made) == sorted(calls)
    assert (door.rounds, intake.rounds, worker.rounds) == (5, 3, 2)
    assert await notices.status(EMAIL) == Status.DELIVERED


async def test_a_wake_up_that_names_no_event_is_obeyed_in_one_more_round(notices):
    await accepted(notices)
    await taken_in(notices)
    unnamed = WakeUp(batch=(await stored_wake_up(notices)).batch, lane=Lane.NOTICE)
    worker = await sent(notices, unnamed)
    assert (sorted(worker.made), worker.rounds) == (sorted(UNTIL_SENT), 3)
    assert await notices.status(EMAIL) == Status.DELIVERED


@pytest.mark.parametrize("wrong", [{"notice_seq": 99}, {"notice_event_id": "another"}])
async def test_what_a_wake_up_names_counts_only_if_the_ledger_names_it_too(notices, wrong):
    await accepted(notices)
    await taken_in(notices)
    wake_up = (await stored_wake_up(notices)).model_copy(update=wrong)
    assert len((await sent(notices, wake_up)).made) > len(UNTIL_SENT)
    assert notices.providers[EMAIL].addresses == [MAIL]


async def test_a_record_of_an_earlier_version_names_no_channel(notices):
    await accepted(notices)
    events = notices.bus.bucket(subjects.EVENTS.name)
    [key] = await events.keys()
    record = (await events.get(key)).data.replace(b'"channel":"email",', b"")
    assert b"channel" not in record
    await events.put(key, record)
    assert "read notices" in (await taken_in(notices)).made
    assert (await stored_wake_up(notices)).key.channel is EMAIL
