"""Tries of a Loa keep the key at its host, and leave no item behind."""

import pytest

from contracts.content import Submitted
from contracts.events import SUBMITTED, WITHDRAWN
from contracts.vocabulary import DEFAULT
from producers.conformance.door import RecordingDoor
from producers.conformance.live import LiveDoor, try_door
from producers.conformance.rules import Judge
from producers.conformance.scenario import Scenario, Step
from tests.support.scripted_door import Given, serving

UNIT = "van-phong-bo"


def test_a_redirect_takes_the_key_nowhere():
    with serving() as elsewhere, serving() as loa:
        loa.answers = [Given(302, b"", {"Location": f"{elsewhere.url}/v1/events"})] * 20
        found = list(try_door(LiveDoor(loa.url, "loa_x_y", UNIT), publish=True))
        assert len(loa.asked) > 5 and elsewhere.asked == []
    assert found and all("302" in error.message for error in found)


@pytest.mark.parametrize("step", [Step.CUT, Step.UNAVAILABLE])
def test_an_item_whose_answer_was_lost_is_withdrawn_and_over_soon(step):
    judge = Judge(DEFAULT, UNIT)
    with RecordingDoor(judge, Scenario([step], 0.1, 1), "127.0.0.1", 0) as loa:
        door = LiveDoor(loa.url, f"loa_{UNIT}_x", UNIT)
        try:
            list(try_door(door, publish=True))
            assert step is Step.UNAVAILABLE
        except OSError:
            assert step is Step.CUT
    item, end = (known.event for known in judge.known.values())
    assert (item.event.type, end.event.type) == (SUBMITTED, WITHDRAWN)
    assert item.content_id == end.content_id
    assert isinstance(item.content, Submitted)
    assert (item.content.expires_at - item.content.not_before).total_seconds() == 60


def test_an_item_that_was_refused_needs_no_withdrawal():
    judge = Judge(DEFAULT, UNIT)
    with RecordingDoor(judge, Scenario([Step.REFUSE], 0.1, 1), "127.0.0.1", 0) as loa:
        list(try_door(LiveDoor(loa.url, f"loa_{UNIT}_x", UNIT), publish=True))
    assert [known.event.event.type for known in judge.known.values()] == [SUBMITTED]
