"""Tries of a Loa keep the key at its host, reach no reader, and leave no item behind."""

import asyncio
import json
from asyncio import AbstractEventLoop
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from urllib.request import Request

import pytest

from contracts.content import Submitted
from contracts.events import SUBMITTED, WITHDRAWN
from contracts.vocabulary import DEFAULT
from producers.conformance.door import RecordingDoor
from producers.conformance.live import LiveDoor, Reply, try_door
from producers.conformance.rules import Judge
from producers.conformance.scenario import Scenario, Step
from tests.support.gateway_client import UNIT as UNIT_OF_TRIALS
from tests.support.gateway_client import stored_events
from tests.support.scripted_door import Given, serving
from tests.support.trials import TrialApp

UNIT = "van-phong-bo"
GUEST = "an@moha.example"


@dataclass(frozen=True, kw_only=True)
class AppDoor(LiveDoor):
    """The gateway of an app on the test's own loop; the app works through each trial at once."""

    app: TrialApp
    loop: AbstractEventLoop
    paths: Mapping[str, str] = field(default_factory=dict)
    """A path that is asked → the one that answers."""
    twist: Callable[[Reply], Reply] = lambda reply: reply

    def _ask(self, path, request):
        asked = asyncio.run_coroutine_threadsafe(self._through(path, request), self.loop)
        return self.twist(asked.result(60))

    async def _through(self, path: str, request: Request) -> Reply:
        method, content_type = request.get_method(), request.get_header("Content-type", "")
        headers = {name: text for name, text in request.header_items() if name.startswith("Ce-")}
        asked = self.paths.get(path, path), self.key, request.data, content_type, headers
        answer = await self.app.door.request(method, *asked)
        await self.app.service.follow()
        is_json = "json" in answer.headers["content-type"]
        return Reply(f"{method} {path}", answer.status_code, answer.json() if is_json else {})


@pytest.fixture
async def app(bus, tmp_path):
    async with TrialApp.opened(bus, tmp_path, GUEST) as app:
        yield app


async def differences(app, key, **changes):
    own = {"app": app, "loop": asyncio.get_running_loop()}
    door = AppDoor("http://loa", key, UNIT_OF_TRIALS, **own, **changes)
    return await asyncio.to_thread(lambda: list(try_door(door, publish=False)))


async def test_a_key_for_trials_tries_everything_and_reaches_guests_alone(app):
    before = await app.untouched()
    assert await differences(app, app.door.key) == []
    mails = await app.arrived()
    assert {mail.address for mail in mails} == {GUEST}
    assert len(mails) == 3, "the item, its correction, its withdrawal"
    assert await app.untouched() == before


async def test_a_live_key_asks_only_and_stores_nothing(app):
    before = await app.untouched()
    assert await differences(app, app.live_key) == []
    assert await stored_events(app.bus) == []
    assert await app.untouched() == before


def without_mark(reply):
    return reply._replace(body={**reply.body, "trial": False})


def without_previews(reply):
    return reply._replace(status=404) if "portal.html" in reply.request else reply


def in_state(state, reply):
    return reply._replace(body=json.loads(json.dumps(reply.body).replace("released", state)))


@pytest.mark.parametrize(
    ("changes", "request_", "said"),
    [
        ({"paths": {"/v1/dry-runs": "/v1/events"}}, "POST /v1/dry-runs", "answered 202"),
        ({"paths": {"/v1/dry-runs": "/v1/dry"}}, "POST /v1/dry-runs", "answered 404"),
        ({"twist": without_mark}, "POST /v1/events", "trial is False"),
        ({"twist": without_previews}, "/portal.html", "a preview of a trial"),
        ({"twist": partial(in_state, "refused")}, "GET /v1/events/", "state is refused"),
        (
            {"twist": partial(in_state, "received"), "out_s": 0.0},
            "GET /v1/events/",
            "is not out after 0 s",
        ),
    ],
    ids=["a dry run that stores", "no dry runs", "no mark", "no preview", "refused", "not out"],
)
async def test_a_loa_that_answers_otherwise_is_named_with_the_request(app, changes, request_, said):
    found = await differences(app, app.door.key, **changes)
    assert any(request_ in error.field and said in error.message for error in found), found


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
