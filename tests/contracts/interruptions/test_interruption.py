"""Facts of an interruption of services in an event, and their limits."""

import json
from datetime import datetime, timedelta

import pytest

from contracts import publication
from contracts.facts.kinds import release_of
from contracts.interruptions.interruption import Interruption
from contracts.interruptions.known import KnownInterruption, known_after
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


HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEFORE = BEGINS - DAY


def at(**times: datetime) -> dict[str, str]:
    return {name: one.isoformat() for name, one in times.items()}


def known_from(*texts: tuple[Interruption | None, datetime]) -> KnownInterruption | None:
    """Knowledge of readers who had these texts, each from a moment on."""
    known = None
    for said, shown in texts:
        known = known_after(known, said, shown)
    return known


def test_readers_know_of_a_change_within_the_time_and_the_services_that_were_announced():
    known = KnownInterruption.of(changed())
    covered = [
        changed(cause="Thay máy chủ", alternative="Gọi 1900 0000"),
        changed(**at(begins_at=BEGINS + HOUR)),
        changed(**at(expected_recovery_at=BEGINS + 8 * HOUR)),
        changed(services=["Nộp hồ sơ trực tuyến"]),
    ]
    new = [
        changed(**at(begins_at=BEGINS - HOUR)),
        changed(**at(begins_at=BEGINS + 7 * HOUR, expected_recovery_at=BEGINS + 8 * HOUR)),
        changed(services=["Tra cứu tình trạng hồ sơ", "Thanh toán phí"]),
    ]
    assert [known.covers(one, BEFORE) for one in covered + new] == [True] * 4 + [False] * 3


def test_a_longer_end_by_a_correction_makes_no_room_for_another_begin():
    longer = changed(**at(expected_recovery_at=BEGINS + 20 * DAY))
    known = known_from((changed(), BEFORE), (longer, BEFORE + HOUR))
    assert known.covers(longer, BEFORE + 2 * HOUR)
    end = BEGINS + 21 * DAY
    next_night = changed(**at(begins_at=BEGINS + DAY, expected_recovery_at=end))
    assert not known.covers(next_night, BEFORE + 2 * HOUR)
    announced = known_from((changed(), BEFORE), (next_night, BEFORE + HOUR))
    later = changed(**at(begins_at=BEGINS + 2 * DAY, expected_recovery_at=end))
    assert announced.covers(later, BEFORE + 2 * HOUR), "it was announced until then"
    shorter = changed(**at(expected_recovery_at=BEGINS + HOUR))
    known = known_from((changed(), BEFORE), (shorter, BEFORE + HOUR))
    assert not known.covers(changed(**at(begins_at=BEGINS + 2 * HOUR)), BEFORE + 2 * HOUR)


def test_once_it_has_begun_the_begin_stays_and_its_end_is_told():
    known, during = KnownInterruption.of(changed()), BEGINS + HOUR
    assert known.covers(changed(**at(expected_recovery_at=BEGINS + DAY)), during)
    assert known.covers(changed(**at(resumed_at=during)), during)
    assert not known.covers(changed(**at(begins_at=BEGINS + 2 * HOUR)), during)


def test_once_services_have_resumed_they_are_not_interrupted_again():
    ended = changed(**at(resumed_at=BEGINS + HOUR))
    known = known_from((changed(), BEFORE), (ended, BEGINS + HOUR))
    after = BEGINS + 2 * HOUR
    assert known.covers(changed(cause="Thay máy chủ", **at(resumed_at=after)), after)
    assert not known.covers(changed(), after)
    assert not known.covers(changed(**at(begins_at=BEGINS + 3 * HOUR)), after)
    assert known_from((changed(), BEFORE), (None, BEFORE + HOUR)) is None


def test_the_fact_of_a_release_has_what_it_states_of_an_interruption():
    first = a_publication(interruption=an_interruption(BEGINS, force_majeure="Bão"))
    later = {"revision": 2, "released_at": first.released_at + DAY}
    for released in (first, first.model_copy(update=later)):
        fact = release_of(released)
        assert (fact.interrupts_at, fact.is_force_majeure) == (BEGINS, True)
        assert fact.services == first.interruption.services
        assert fact.expected_recovery_at == first.interruption.expected_recovery_at
    assert b"services" not in release_of(a_publication()).encode()
