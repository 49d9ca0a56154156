"""Two hundred invalid events among two thousand valid ones."""

import json
import random
from collections import Counter

import pytest

from tests.pipeline.test_invalid_events import POISON, InvalidMessage, good, hand_in, published
from tests.support.content_consumer import COPIES, content_consumer

GOOD, EACH = 2000, 8
SLACK = 5 * COPIES
"""How far an event may come out of line among as many as are handled at once."""


def content_id(parcel: InvalidMessage) -> str:
    return str(json.loads(parcel.body)["data"]["content_id"])


@pytest.mark.promise("1.5")
@pytest.mark.timeout(300)
async def test_two_hundred_bad_events_among_two_thousand_good_ones(bus, nats_server, intake):
    parcels = [make(n) for n in range(EACH) for make in POISON.values()]
    parcels += [good(number) for number in range(GOOD)]
    random.Random(20261125).shuffle(parcels)
    async with content_consumer(bus, nats_server.url, intake) as heard:
        stored = await hand_in(bus, parcels)
        info = await heard.all_acknowledged()
        letters = await heard.letters()
    bad = {seq for seq, parcel in stored.items() if not content_id_of_good(parcel)}
    assert len(bad) == EACH * len(POISON) >= 200
    assert Counter(letter.origin.seq for letter in letters) == Counter(bad), "one letter for each"
    assert info["delivered"]["consumer_seq"] == len(parcels), "each was tried once"
    in_line = [content_id(stored[seq]) for seq in sorted(stored) if seq not in bad]
    released = await published(bus)
    assert sorted(released) == sorted(in_line), "every good one went through, once"
    place = {item: number for number, item in enumerate(released)}
    assert max(abs(place[item] - number) for number, item in enumerate(in_line)) <= SLACK


def content_id_of_good(parcel: InvalidMessage) -> bool:
    return b'"content_id":"tot-' in parcel.body
