"""Many requests at once share reads, and nothing else: each has its own answer."""

import asyncio
from collections import Counter

from contracts import subjects
from producers.bus import Bus, NoReply
from tests.support.gateway_client import OTHER, UNIT, sample_event

MANY = 60


def event(number, **data):
    return sample_event(id=f"e-{number}", content_id=f"tin-{number}", **data)


async def post_all(client, events, key=None):
    return await asyncio.gather(*(client.post(one, key=key) for one in events))


def statuses(answers):
    return Counter(answer.status_code for answer in answers)


async def test_each_is_stored_once(client):
    answers = await post_all(client, map(event, range(MANY)))
    assert statuses(answers) == {202: MANY}
    assert sorted(one["id"] for one in await client.stored_events()) == sorted(
        f"e-{number}" for number in range(MANY)
    )


async def test_one_that_is_refused_takes_no_other_with_it(client, clock):
    other_key = await client.registry.add(OTHER, release="automatic")
    theirs = event(7) | {"source": f"/units/{OTHER}"}
    assert (await client.post(theirs, key=other_key)).status_code == 202
    assert (await client.post(event(8))).status_code == 202
    changed = event(8, title="Một tiêu đề khác hẳn")
    answers = await post_all(client, [*map(event, range(8)), changed, *map(event, range(9, MANY))])
    assert [answers[7].status_code, answers[8].status_code] == [403, 409]
    assert statuses(answers) == {202: MANY - 2, 403: 1, 409: 1}
    clock.advance(60)
    again = await post_all(client, map(event, [8, *range(9, MANY)]))
    assert statuses(again) == {202: MANY - 8}
    stored = Counter((one["source"], one["id"]) for one in await client.stored_events())
    own = {(f"/units/{UNIT}", f"e-{number}"): 1 for number in range(MANY) if number != 7}
    assert stored == own | {(theirs["source"], "e-7"): 1}


async def test_of_two_contents_under_one_id_at_once_one_is_accepted(client):
    twins = [event(number, title=title) for number in range(40) for title in ("Tin một", "Tin hai")]
    answers = await post_all(client, twins)
    pairs = [
        sorted(answer.status_code for answer in answers[place : place + 2])
        for place in range(0, len(twins), 2)
    ]
    assert pairs == [[202, 409]] * 40
    stored = {one["id"]: one["data"]["title"] for one in await client.stored_events()}
    answered = zip(twins, answers, strict=True)
    assert stored == {
        one["id"]: one["data"]["title"] for one, got in answered if got.status_code == 202
    }


async def test_claims_without_their_events_go_on_at_the_repeat(client, clock, monkeypatch):
    """As after a kill between the two: no answer, no event, and all are claimed."""

    async def silent(self, *args, **options):
        raise NoReply("the process is gone")

    with monkeypatch.context() as patched:
        patched.setattr(Bus, "publish", silent)
        assert statuses(await post_all(client, map(event, range(MANY)))) == {503: MANY}
    assert await client.stored_events() == []
    assert len(await client.bus.bucket(subjects.EVENTS.name).keys()) == MANY
    clock.advance(60)
    assert statuses(await post_all(client, map(event, range(MANY)))) == {202: MANY}
    assert len(await client.stored_events()) == MANY


async def test_requests_that_end_meanwhile_leave_the_others_alone(client, clock, monkeypatch):
    """Senders that hang up while their claims are under way."""
    posts = [asyncio.create_task(client.post(event(number))) for number in range(MANY)]
    while not client.bus.connection._waiting:
        await asyncio.sleep(0)
    for post in posts[::3]:
        post.cancel()
    answers = await asyncio.gather(*posts, return_exceptions=True)
    got = [one.status_code for one in answers if not isinstance(one, asyncio.CancelledError)]
    assert got == [202] * (MANY - len(posts[::3]))
    clock.advance(60)
    assert statuses(await post_all(client, map(event, range(MANY)))) == {202: MANY}
    assert len(await client.stored_events()) == MANY
