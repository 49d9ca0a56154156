"""The rule by which a stream or a consumer is not on all its servers yet."""

import pytest

from producers.bus.replicas.placement import is_growing

SERVERS = frozenset({"n1", "n2", "n3"})
OTHER = {"name": "n2", "current": True}
APART = {"name": "n3", "current": False}
HERE = {"name": "n3", "current": True}
TABLE = {
    "whole": ([OTHER, HERE], {}, SERVERS, False),
    "the move goes on, all are current": ([OTHER, HERE], {"desired": {}}, SERVERS, True),
    "no other server yet": ([], {}, SERVERS, True),
    "one server short": ([OTHER], {}, SERVERS, True),
    "one has not joined": ([OTHER, APART], {}, SERVERS, True),
    "one is away": ([OTHER, APART], {}, SERVERS - {"n3"}, False),
    "one is away, and the move goes on": ([APART], {"desired": {}}, SERVERS - {"n3"}, True),
    "one is behind": ([OTHER, APART | {"lag": 7}], {}, SERVERS, False),
}


@pytest.mark.parametrize(("replicas", "more", "present", "grows"), TABLE.values(), ids=TABLE)
def test_what_is_not_on_all_its_servers_yet_grows(replicas, more, present, grows):
    cluster = {"leader": "n1", "replicas": replicas, **more}
    assert is_growing({"config": {"num_replicas": 3}, "cluster": cluster}, present) is grows


def test_what_is_on_one_server_does_not_grow_and_what_is_not_led_does():
    assert not is_growing({"config": {"num_replicas": 1}, "cluster": {"leader": "n1"}}, SERVERS)
    assert is_growing({"config": {"num_replicas": 3}}, SERVERS)
