"""A publication comes back as it went out, and each reader's wishes decide who wants it."""

import json
from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from contracts import envelope, publication
from contracts.errors import ContractError, explain
from contracts.subscriptions.subscriber import Subscriber, matches
from contracts.testing import sample
from tests.support.minimal_event import a_publication, decoded_data

# --- what Loa releases


def test_a_publication_comes_back_as_it_went_out():
    sent = a_publication(**sample()["data"])
    body = publication.encode(sent)
    assert publication.decode(body) == sent
    assert publication.encode(publication.decode(body)) == body


def test_a_publication_on_the_bus_is_a_cloud_event():
    event = envelope.from_structured(publication.encode(a_publication()))
    named = (event.type, event.id, event.subject)
    assert named == (publication.RELEASED, "lich-nghi-tet-2027.1", "lich-nghi-tet-2027")


def test_a_reader_ignores_fields_that_came_later():
    event = json.loads(publication.encode(a_publication()))
    event["data"]["mood"] = "vui"
    assert publication.decode(json.dumps(event).encode()) == a_publication()


@pytest.mark.parametrize("change", [{"type": "x"}, {"data": {}}])
def test_what_is_no_publication_is_refused(change):
    event = json.loads(publication.encode(a_publication())) | change
    with pytest.raises(ContractError):
        publication.decode(json.dumps(event).encode())


def test_the_largest_event_still_makes_a_publication_that_can_be_read():
    body = "ộ" * 86_000
    event = envelope.from_structured(
        json.dumps(sample(body=body), ensure_ascii=False, separators=(",", ":")).encode()
    )
    assert len(envelope.to_structured(event)) > envelope.MAX_EVENT_BYTES - 4000
    released = a_publication(**decoded_data(event).model_dump())
    assert publication.decode(publication.encode(released)).body == body


# --- who wants it


def a_subscriber(**wishes):
    return Subscriber.model_validate({"id": "s1", "email": "a@example.com"} | wishes)


@pytest.mark.parametrize(
    ("wishes", "about", "wanted"),
    [
        ({}, {}, True),
        ({"active": False}, {}, False),
        ({"topics": ["lich-nghi-le", "viec-lam"]}, {}, True),
        ({"topics": ["viec-lam"]}, {}, False),
        ({"units": ["van-phong-bo"]}, {}, True),
        ({"units": ["vu-phap-che"]}, {}, False),
        ({"audiences": ["cong-dan"]}, {}, True),
        ({"audiences": ["cong-dan"]}, {"audiences": ["cong-dan", "to-chuc"]}, True),
        ({"audiences": ["cong-dan"]}, {"audiences": ["to-chuc"]}, False),
        ({}, {"audiences": ["to-chuc"]}, True),
        ({"topics": ["lich-nghi-le"], "units": ["vu-phap-che"]}, {}, False),
    ],
)
def test_within_a_wish_any_value_matches_and_between_wishes_all_must(wishes, about, wanted):
    assert matches(a_subscriber(**wishes), a_publication(**about)) is wanted


def test_a_reader_has_an_address_and_a_known_rhythm():
    for wrong, field in (({"frequency": "hourly"}, "frequency"), ({"email": ""}, "event")):
        with pytest.raises(ValidationError) as caught:
            a_subscriber(**wrong)
        assert [error.field for error in explain(caught.value)] == [field]


def test_what_the_rhythm_was_before_its_last_change_is_remembered():
    first, later = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)
    one = a_subscriber().with_frequency("weekly", first)
    assert one.with_frequency("weekly", later) == one
    assert (one.frequency, one.frequency_before) == ("weekly", "immediate")
    again = one.with_frequency("daily", later)
    assert (again.frequency, again.frequency_since) == ("daily", later)
    assert again.frequency_before == "weekly"


def test_of_a_reader_who_left_only_the_id_and_the_proof_of_consent_remain():
    consent = {"version": "1", "at": "2026-03-01T00:00:00Z"}
    one = a_subscriber(name="An", topics=("viec-lam",), consent=consent)
    left = one.after_leaving(datetime(2026, 3, 9, tzinfo=UTC), "page")
    kept = left.model_dump(exclude_defaults=True)
    assert kept.keys() == {"id", "active", "consent", "left_at", "consent_history"}
    assert [one.change for one in left.consent_history] == ["given", "withdrawn"]
    assert Subscriber.model_validate_json(left.model_dump_json()) == left
