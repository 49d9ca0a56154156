"""The hash is the one that nats-server computes."""

import pytest

from producers.nats_store.highway_hash import highway_hash_64

KEY = bytes(range(32))
PUBLISHED = {
    0: 0x907A56DE22C26E53,
    1: 0x7EAB43AAC7CDDD78,
    2: 0xB8D0569AB0B53D62,
}
"""From the authors' own test: the hash of the bytes 0, 1, 2, ... by their number."""


@pytest.mark.parametrize("size", PUBLISHED)
def test_its_authors_vectors(size):
    found = highway_hash_64(KEY, bytes(range(size)))
    assert int.from_bytes(found, "little") == PUBLISHED[size]
