"""What an event says of an interruption of services: its facts, and what they may not be."""

import json
from datetime import datetime, timedelta

import pytest

from contracts import publication
from contracts.facts.kinds import release_of
from contracts.interruptions.interruption import Interruption
from contracts.testing import ContractBroken, check_event, sample
from contracts.text.moments import VIETNAM
from tests.support.interruptions import an_interruption
from tests.support.publications import a_publication

BEGINS = datetime(2027, 1, 16, 22, tzinfo=VIETNAM)


def changed(**changes) -> Interruption:
    return Interruption.model_validate(an_interruption(BEGINS, **changes))


def test_an_interruption_is_kept_and_released():
    said = check_event(sample(interruption=an_interruption(BEGINS))).interruption
    released = a_publication(interruption=an_interruption(BEGINS))
    assert publication.decode(publication.encode(released)).interruption == said


def test_a_text_without_an_interruption_is_stored_as_before():
    stored = json.loads(publication.encode(a_publication()))
    assert "interruption" not in stored["data"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("services", []),
        ("services", ["Tra cứu", "Tra cứu"]),
        ("services", ["Tra cứu"] * 21),
        ("begins_at", "16/01/2027"),
        ("expected_recovery_at", BEGINS.isoformat()),
        ("resumed_at", (BEGINS - timedelta(minutes=1)).isoformat()),
        ("cause", ""),
        ("alternative", None),
        ("force_majeure", ""),
        ("reason", "Bão"),
    ],
)
def test_what_is_wrong_is_said_at_its_field(field, value):
    with pytest.raises(ContractBroken) as broken:
        check_event(sample(interruption=an_interruption(BEGINS, **{field: value})))
    [error] = broken.value.errors
    assert error.field.startswith(f"data.interruption.{field}")


def test_readers_know_of_a_change_within_the_time_and_the_services_that_were_announced():
    known = changed()
    hour = timedelta(hours=1)
    later, after = BEGINS + hour, BEGINS + 7 * hour
    assert known.covers(changed(cause="Thay máy chủ", alternative="Gọi 1900 0000"))
    assert known.covers(changed(begins_at=later.isoformat()))
    assert known.covers(changed(expected_recovery_at=(after + hour).isoformat()))
    assert known.covers(changed(services=["Nộp hồ sơ trực tuyến"]))
    assert not known.covers(changed(begins_at=(BEGINS - hour).isoformat()))
    moved = {"begins_at": after.isoformat(), "expected_recovery_at": (after + hour).isoformat()}
    assert not known.covers(changed(**moved))
    assert not known.covers(changed(services=["Tra cứu tình trạng hồ sơ", "Thanh toán phí"]))


def test_the_fact_of_the_first_text_alone_tells_of_the_interruption():
    first = a_publication(interruption=an_interruption(BEGINS, force_majeure="Bão"))
    fact = release_of(first)
    assert (fact.interrupts_at, fact.is_force_majeure) == (BEGINS, True)
    planned = {"not_before": first.released_at + timedelta(days=1)}
    planned["first_released_at"] = planned["not_before"]
    assert release_of(first.model_copy(update=planned)).interrupts_at == BEGINS
    later = {"revision": 2, "released_at": first.released_at + timedelta(days=1)}
    assert release_of(first.model_copy(update=later)).interrupts_at is None
