"""Findings of `loa doctor` in what the servers of a cluster tell."""

from datetime import UTC, datetime, timedelta

from consumers.doctor.cluster import find_in_addresses, find_in_servers, find_in_streams
from producers.bus.replicas.placement import Placement
from producers.bus.server_check import ServerReport

SERVERS = {"n1", "n2", "n3"}


def placed(*others, unled=(), growing=()):
    cluster = {"leader": "n1", "replicas": others}
    return Placement(
        {"CONTENT": {"config": {"num_replicas": 3}, "cluster": cluster}}, [*unled], [*growing]
    )


def found(placement, present=SERVERS):
    return {one.code: one for one in find_in_streams(placement, present, 3)}


N2, N3 = ({"name": name, "current": True} for name in ("n2", "n3"))


def test_a_cluster_is_up_to_date_only_without_another_finding():
    assert found(placed(N2, N3)).keys() == {"bus_replicas_ok"}
    assert found(placed(N2, N3, growing=["DEAD"])).keys() == {"bus_growing"}


def test_streams_that_grow_are_named_as_a_problem():
    grows = found(placed(N2, N3, growing=["DEAD", "CONTENT/intake"]))["bus_growing"]
    assert grows.level == "problem"
    assert "DEAD, CONTENT/intake" in grows.message and "DEAD" in grows.message_vi
    assert "stop no server" in grows.remedy


def test_streams_without_a_leader_and_replicas_behind_are_named():
    behind = {"name": "n2", "current": False, "lag": 1234}
    texts = {code: one.message for code, one in found(placed(behind, N3, unled=["DEAD"])).items()}
    assert texts.keys() == {"bus_unled", "bus_server_behind"}
    assert "DEAD" in texts["bus_unled"]
    assert "n2" in texts["bus_server_behind"] and "1234" in texts["bus_server_behind"]


def test_a_server_that_does_not_answer_is_named():
    away = found(placed(N2, N3), SERVERS - {"n3"})
    assert away.keys() == {"bus_server_away"} and "n3" in away["bus_server_away"].message


def test_more_addresses_than_servers_are_a_warning():
    told = ["10.0.0.1:4222", "172.17.0.1:4222", "10.0.0.2:4222", "10.0.0.3:4222"]
    [many] = find_in_addresses(told, SERVERS)
    assert many.level == "warning" and ", 172.17.0.1:4222" in many.message
    assert not [*find_in_addresses(told[1:], SERVERS)]


def test_clocks_that_differ_and_full_disks_are_named():
    now = datetime(2027, 1, 15, tzinfo=UTC)
    late = ServerReport("A", "2.15.1", True, "n1", now, 90 << 20, 100 << 20)
    early = ServerReport("B", "2.15.1", True, "n2", now + timedelta(seconds=4), 1 << 20, 100 << 20)
    texts = {one.code: one.message for one in find_in_servers([late, early])}
    assert "n2 is 4.0 s ahead of that of n1" in texts["bus_clocks_differ"]
    assert "n1 uses 90 of 100 MB" in texts["bus_server_low"]
