"""How often a unit may send, and how often an address may guess a key."""

import asyncio

import pytest

from contracts import envelope
from contracts.base import strict_json
from contracts.errors import ContractError
from producers.gateway import request_body
from producers.gateway.access import BURST
from producers.gateway.request_body import BYTES_PER_EVENT
from producers.token_buckets import MAX_NAMES, TokenBuckets
from tests.support.gateway_client import BATCH, OTHER, sample_event


def a_batch(size):
    return [sample_event(id=f"e-{n}", content_id=f"tin-{n}") for n in range(size)]


async def test_two_hundred_at_once_then_ten_a_second(client, clock):
    assert [(await client.post(a_batch(100), BATCH)).status_code for _ in range(2)] == [202, 202]
    single = sample_event(id="single")
    answer = await client.post(single)
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "1")
    assert "1 giây" in answer.json()["errors"][0]["message_vi"]
    clock.advance(0.1)
    assert [(await client.post(single)).status_code for _ in range(2)] == [202, 429]
    clock.advance(60)
    assert [(await client.post(a_batch(100), BATCH)).status_code for _ in range(2)] == [202, 202]
    assert (await client.post(single)).status_code == 429


async def test_a_batch_counts_its_events_and_waits_until_all_may_pass(client, clock):
    for size in (100, 99):
        await client.post(a_batch(size), BATCH)
    answer = await client.post(a_batch(50), BATCH)
    assert answer.status_code == 429
    clock.advance(int(answer.headers["retry-after"]))
    assert (await client.post(a_batch(50), BATCH)).status_code == 202


async def test_a_busy_unit_keeps_no_other_out(client):
    for _ in range(3):
        await client.post(a_batch(100), BATCH)
    assert (await client.post(sample_event())).status_code == 429
    key = await client.registry.add(OTHER, release="automatic")
    theirs = sample_event(content_id="cua-van-phong") | {"source": "urn:theirs"}
    assert (await client.post(theirs, key=key)).status_code == 202


async def test_wrong_events_count_too(client):
    answers = [(await client.post(b"{")).status_code for _ in range(201)]
    assert answers == [400] * 200 + [429]


async def test_a_sender_that_guesses_keys_has_to_wait_and_the_unit_does_not(client, clock):
    wrong = client.key[:-1] + ("0" if client.key[-1] != "0" else "1")
    answers = [await client.post(sample_event(), key=wrong) for _ in range(21)]
    assert [answer.status_code for answer in answers] == [401] * 20 + [429]
    assert (await client.post(sample_event())).status_code == 202
    clock.advance(int(answers[-1].headers["retry-after"]))
    assert (await client.post(sample_event(), key=wrong)).status_code == 401


def test_a_bucket_never_holds_more_than_its_burst(clock):
    buckets = TokenBuckets(60, 5, clock)
    clock.advance(1_000_000)
    assert [buckets.take("a") for _ in range(6)] == [0, 0, 0, 0, 0, 1.0]


def test_what_could_not_be_had_costs_nothing(clock):
    buckets = TokenBuckets(60, 5, clock)
    assert buckets.take("a", 4) == 0
    assert [buckets.take("a", 4) for _ in range(3)] == [3.0] * 3
    assert buckets.take("a", 1) == 0


def test_a_clock_that_is_set_back_takes_nothing_away(clock):
    buckets = TokenBuckets(60, 5, clock)
    buckets.take("a", 3)
    clock.advance(-3600)
    assert buckets.take("a", 2) == 0
    clock.advance(1)
    assert buckets.take("a", 1) == 0


def test_names_are_not_remembered_without_bound(clock):
    buckets = TokenBuckets(60, 5, clock)
    for n in range(3 * MAX_NAMES):
        buckets.take(f"host-{n}")
        clock.advance(0.001)
    assert len(buckets.levels) <= MAX_NAMES


@pytest.mark.parametrize("used", [0, 1, 3])
def test_a_blocked_name_stays_blocked_when_ten_thousand_others_come(clock, used):
    """The count is kept whether the others have used much, little or nothing."""
    buckets = TokenBuckets(60, 5, clock)
    while buckets.take("blocked") == 0:
        pass
    for n in range(2 * MAX_NAMES):
        for _ in range(used):
            buckets.take(f"host-{n}")
        buckets.take(f"host-{n}", 0)
    assert len(buckets.levels) <= MAX_NAMES
    assert buckets.take("blocked") > 0


def test_a_name_that_was_forgotten_comes_back_with_no_more_than_it_had(clock):
    """All buckets are empty, so one of them must go: those that come now begin as it was."""
    buckets = TokenBuckets(60, 5, clock)
    for n in range(MAX_NAMES + 1):
        buckets.take(f"host-{n}", 5)
    assert len(buckets.levels) <= MAX_NAMES
    assert all(buckets.take(f"host-{n}", 1) > 0 for n in range(MAX_NAMES + 1))
    clock.advance(5)
    assert buckets.take("host-0", 5) == 0


def a_large_batch(entries):
    """A batch above the size of one event, of JSON *entries*."""
    body = b"[" + b",".join(entries) + b"]"
    assert len(body) > envelope.MAX_EVENT_BYTES
    return body


HOSTILE = a_large_batch([b"[" + b"[]," * 5_000 + b"[]]"] * 20)
ENDLESS = b"[" + b" " * (4 << 20) + b"x"


async def test_a_refused_batch_counts_by_its_size(client):
    """It costs as much work as one that is accepted."""
    answers = [(await client.post(ENDLESS, BATCH)).status_code for _ in range(4)]
    assert BURST // -(-len(ENDLESS) // BYTES_PER_EVENT) == 3
    assert answers == [400, 400, 400, 429]


async def test_a_small_batch_that_is_refused_counts_by_its_size_as_well(client):
    short = b"[" + b" " * (200 << 10) + b"x"
    answers = [(await client.post(short, BATCH)).status_code for _ in range(51)]
    assert answers == [400] * 50 + [429]


async def test_a_refused_batch_counts_its_events(client):
    wrong = [sample_event(id=f"e-{n}", title="") for n in range(100)]
    answers = [(await client.post(wrong, BATCH)).status_code for _ in range(3)]
    assert answers == [422, 422, 429]


async def test_others_have_their_turn_while_a_large_batch_is_parsed(monkeypatch):
    """Counted in turns of the loop: one for each entry, not one for the whole."""
    turns, read = 0, []
    monkeypatch.setattr(
        request_body.envelope, "from_batch_entry", lambda entry: read.append(turns) or entry
    )

    async def count_turns():
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    await request_body._read_batch(HOSTILE, lambda _: None)
    counting.cancel()
    assert len(read) == 20
    assert len(set(read)) == 20


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (a_large_batch([b"1"] * 200_000), 413),
        (a_large_batch([b'"' + b"x" * 600_000 + b'"']), 413),
        (b" [ " + b" " * 300_000 + b"]", 422),
        (b"{" + b" " * 300_000 + b"}", 400),
        (a_large_batch([b"1", b" " * 300_000]), 400),
        (a_large_batch([b"1" * 300_000]), 400),
        (a_large_batch([b"{} {}" + b" " * 300_000]), 400),
        (a_large_batch([b'{"a":1,"a":2}' + b" " * 300_000]), 400),
        (a_large_batch([b"[" * 300_000]), 400),
        (a_large_batch([b'["\\ud800"' + b" " * 300_000 + b"]"]), 400),
        (a_large_batch([b"{}" + b" " * 300_000]) + b"x", 400),
    ],
)
def test_a_large_batch_is_refused_for_what_a_small_one_is(body, status):
    with pytest.raises(ContractError) as refused:
        envelope.from_batch(body)
    assert refused.value.status == status


def test_a_large_batch_says_what_a_small_one_says():
    events = [sample_event(id=f"e-{n}", body="Tiếng Việt " * 2000) for n in range(40)]
    body = strict_json.dumps(events)
    assert len(body) > envelope.MAX_EVENT_BYTES
    whole = [envelope.from_structured(event) for event in events]
    assert envelope.from_batch(body) == whole
    assert envelope.from_batch(b"\n [" + body[1:-1].replace(b"},{", b"} ,\n{") + b" ]\n") == whole
