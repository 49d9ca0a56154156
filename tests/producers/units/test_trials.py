"""Keys for trials and guests: apart from the keys that publish, and no more guests than ten."""

import re

import pytest

from contracts import subjects
from contracts.base.times import utc_now
from contracts.errors import Conflict, Invalid, Unauthorized
from contracts.trials.records import MOST_GUESTS, Guest
from contracts.vocabulary import DEFAULT
from producers.units.registry import RegisteredUnit, TrialUnit, UnitRegistry

UNIT, OTHER = "van-phong-bo", "cuc-viec-lam"
HOUR = 3600


@pytest.fixture
async def registry(bus, clock):
    registry = UnitRegistry(bus, DEFAULT, clock)
    for unit in (UNIT, OTHER):
        await registry.add(unit, release="desk")
    return registry


def guest(number, clock):
    return Guest(id=f"khach-{number}", address="x", added=utc_now(clock))


async def test_a_key_for_trials_proves_its_unit_for_trials_alone(registry):
    key = await registry.renew_trial_key(UNIT)
    assert re.fullmatch(r"loatrial_van-phong-bo_[0-9a-f]{64}", key)
    member = await registry.authenticate_sender(key)
    assert isinstance(member, TrialUnit) and not isinstance(member, RegisteredUnit)
    assert (member.unit, member.registration.release) == (UNIT, "desk")
    with pytest.raises(Unauthorized):
        await registry.authenticate(key)


async def test_a_live_key_proves_its_unit_in_earnest(registry):
    member = await registry.authenticate_sender(await registry.rotate(UNIT))
    assert isinstance(member, RegisteredUnit)


@pytest.mark.promise("16.2")
async def test_the_bucket_of_units_learns_nothing_of_trials(registry, bus):
    before = (await bus.bucket(subjects.UNITS.name).get(UNIT)).data
    await registry.renew_trial_key(UNIT)
    await registry.add_guest(UNIT, guest(1, registry.clock))
    assert (await bus.bucket(subjects.UNITS.name).get(UNIT)).data == before


async def test_a_key_of_one_unit_sends_no_trials_of_another(registry):
    key = await registry.renew_trial_key(UNIT)
    await registry.renew_trial_key(OTHER)
    with pytest.raises(Unauthorized):
        await registry.authenticate_sender(key.replace(UNIT, OTHER))


async def test_a_renewed_key_lets_the_old_one_work_for_a_day_and_now_not_at_all(registry, clock):
    first = await registry.renew_trial_key(UNIT)
    second = await registry.renew_trial_key(UNIT)
    for key in (first, second):
        assert await registry.authenticate_sender(key)
    clock.advance(24 * HOUR)
    with pytest.raises(Unauthorized):
        await registry.authenticate_sender(first)
    await registry.renew_trial_key(UNIT, now=True)
    with pytest.raises(Unauthorized):
        await registry.authenticate_sender(second)


@pytest.mark.parametrize("revoke", ["revoke", "revoke_trial_keys"])
async def test_revoked_keys_send_no_trials(registry, revoke):
    key, live = await registry.renew_trial_key(UNIT), await registry.rotate(UNIT)
    await getattr(registry, revoke)(UNIT)
    with pytest.raises(Unauthorized):
        await registry.authenticate_sender(key)
    if revoke == "revoke_trial_keys":
        assert await registry.authenticate_sender(live)


async def test_a_unit_that_is_not_registered_gets_neither_key_nor_guests(registry, clock):
    for change in (
        registry.renew_trial_key("vu-phap-che"),
        registry.revoke_trial_keys("vu-phap-che"),
        registry.add_guest("vu-phap-che", guest(1, clock)),
        registry.remove_guest("vu-phap-che", "khach-1"),
    ):
        with pytest.raises(Invalid) as refused:
            await change
        assert refused.value.errors[0].field == "unit"


async def test_a_unit_has_ten_guests_at_most_and_each_once(registry, clock):
    for number in range(MOST_GUESTS):
        await registry.add_guest(UNIT, guest(number, clock))
    await registry.add_guest(UNIT, guest(3, clock))
    with pytest.raises(Conflict, match="10 guests"):
        await registry.add_guest(UNIT, guest(99, clock))
    await registry.remove_guest(UNIT, "khach-3")
    await registry.add_guest(UNIT, guest(99, clock))
    assert len(await registry.trials.guests(UNIT)) == MOST_GUESTS
    assert await registry.trials.guests(OTHER) == ()
    with pytest.raises(Invalid, match="not among the guests"):
        await registry.remove_guest(UNIT, "khach-3")


@pytest.mark.promise("16.2")
async def test_a_unit_that_an_earlier_version_revoked_sends_no_trials(registry):
    key = await registry.renew_trial_key(UNIT)
    await registry.update(UNIT, keys=())
    with pytest.raises(Unauthorized):
        await registry.authenticate_sender(key)
    with pytest.raises(Invalid, match="loa units rotate"):
        await registry.renew_trial_key(UNIT)
    await registry.rotate(UNIT)
    with pytest.raises(Unauthorized):
        await registry.authenticate_sender(key)
    assert isinstance(
        await registry.authenticate_sender(await registry.renew_trial_key(UNIT)), TrialUnit
    )
