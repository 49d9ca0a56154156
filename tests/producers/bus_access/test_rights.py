"""The table of rights: complete, and no wider than it says."""

from collections import Counter

import pytest

from consumers.app.service_names import SERVICE_NAMES
from contracts.subjects import STREAMS
from producers.bus import topology
from producers.bus_access import enforcement
from producers.bus_access.rights import (
    ADMIN,
    WHOLE,
    identities,
    permissions_of,
    rights_table,
    stream_of_subject,
    subject_covers,
)

ADMINISTRATION = ("CREATE", "UPDATE", "DELETE", "PURGE", "SNAPSHOT", "RESTORE")


def test_every_service_has_a_section_and_no_other_has():
    assert set(rights_table()) == set(SERVICE_NAMES)
    assert identities() == [ADMIN, WHOLE, *rights_table()]


def test_the_table_names_every_stream_and_bucket():
    sections = [one.model_copy(update={"measure": ()}) for one in rights_table().values()]
    named = {name for one in sections for name in one.streams()}
    assert named == {*topology.stream_names(), *topology.former_names()}


def test_what_calls_the_addresses_of_units_reaches_no_people_no_mail_and_no_keys_of_units():
    rights = rights_table()["callbacks"]
    people = {"staff", "sessions", "staff_mail", "subscribers", "followers", "person_keys"}
    people |= {"suppressed", "notices", "ledger", "units", "trial_units", "trials"}
    assert not people & {*rights.read, *(key.partition(":")[0] for key in rights.write)}
    assert not rights.erase and not [one for one in rights.publish if "deliver" in one]
    assert not [key for key in rights.write if subject_covers(key, "callbacks:endpoint.a.b")]


def test_each_consumer_is_the_business_of_one_service():
    durables = {(stream.name, one.durable) for stream in STREAMS for one in stream.consumers}
    consumed = Counter(pair for rights in rights_table().values() for pair in rights.consumers())
    assert consumed == Counter(durables)


def test_whoever_publishes_a_subject_publishes_it_to_a_stream():
    for rights in rights_table().values():
        for subject in rights.publish:
            assert stream_of_subject(subject)


@pytest.mark.parametrize("identity", [WHOLE, *rights_table()])
def test_streams_are_made_changed_emptied_and_saved_by_commands_alone(identity):
    allowed = permissions_of(identity)
    assert allowed is not None and permissions_of(ADMIN) is None
    for stream in topology.stream_names():
        for call in ADMINISTRATION:
            assert not enforcement.is_allowed(allowed.publish, f"$JS.API.STREAM.{call}.{stream}")
    assert not [one for one in allowed.publish if one.startswith((">", "*", "_INBOX", "$JS.API.>"))]


@pytest.mark.parametrize(
    ("pattern", "subject", "covers"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a.b.d", False),
        ("a.*", "a.b.c", False),
        ("a.>", "a", False),
        ("a.>", "a.b.c", True),
        ("a.*", "a.>", False),
        ("a.*", "a.*", True),
        ("a.b", "a.*", False),
        (">", "a.>", True),
    ],
)
def test_a_pattern_covers_what_the_server_matches(pattern, subject, covers):
    assert subject_covers(pattern, subject) is covers
