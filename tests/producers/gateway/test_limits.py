"""How often a unit may send, and how often an address may guess a key."""

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
