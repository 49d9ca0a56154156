"""Two hundred invalid events among two thousand valid ones."""

import json
import random
from collections import Counter

import pytest

from tests.support.content_consumer import COPIES, content_consumer
from tests.support.invalid_events import POISON, InvalidMessage, good, hand_in, published

GOOD, EACH = 2000, 8
SLACK = 100 * COPIES
"""How far an event may come out of line: one that a busy machine holds up is overtaken by many."""


def content_id(message: InvalidMessage) -> str:
    return str(json.loads(message.body)["data"]["content_id"])


@pytest.mark.promise("1.5")
async def test_two_hundred_bad_events_among_two_thousand_good_ones(bus, nats_server, intake):
    messages = [make(n) for n in range(EACH) for make in POISON.values()]
    messages += [good(number) for number in range(GOOD)]
    random.Random(20261125).shuffle(messages)
    async with content_consumer(bus, nats_server.url, intake) as heard:
        stored = await hand_in(bus, messages)
        info = await heard.all_acknowledged()
        letters = await heard.letters()
    bad = {seq for seq, message in stored.items() if not is_good(message)}
    assert len(bad) == EACH * len(POISON) >= 200
    assert Counter(letter.origin.seq for letter in letters) == Counter(bad), "one letter for each"
    assert info["delivered"]["consumer_seq"] == len(messages), "each was tried once"
    in_line = [content_id(stored[seq]) for seq in sorted(stored) if seq not in bad]
    released = await published(bus)
    assert sorted(released) == sorted(in_line), "every good one went through, once"
    place = {item: number for number, item in enumerate(released)}
    assert max(abs(place[item] - number) for number, item in enumerate(in_line)) <= SLACK


def is_good(message: InvalidMessage) -> bool:
    return b'"content_id":"tot-' in message.body
