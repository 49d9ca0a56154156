"""Units and their keys: shown once, kept as hashes, replaced with an overlap, revoked at once."""

import asyncio
import re

import pytest

from contracts import subjects
from contracts.delivery import ChannelName
from contracts.errors import Conflict, Invalid, Unauthorized
from contracts.vocabulary import DEFAULT
from producers.units.registry import UnitRegistry

UNIT = "van-phong-bo"
HOUR = 3600


@pytest.fixture
def registry(bus, clock):
    return UnitRegistry(bus, DEFAULT, clock)


async def test_a_key_names_its_unit_and_proves_it(registry):
    key = await registry.add(UNIT, release="automatic", urgent=True)
    assert re.fullmatch(r"loa_van-phong-bo_[0-9a-f]{64}", key)
    member = await registry.authenticate(key)
    given = (member.unit, member.registration.release, member.registration.urgent)
    assert given == (UNIT, "automatic", True)


async def test_only_the_hash_of_a_key_is_kept(registry, bus):
    key = await registry.add(UNIT, release="desk")
    kept = (await bus.bucket(subjects.UNITS.name).get(UNIT)).data.decode()
    assert key.rsplit("_", 1)[1] not in kept
    assert re.search(r'"hash":"[0-9a-f]{64}"', kept)


async def test_a_unit_the_vocabulary_does_not_know_is_refused_by_name(registry):
    with pytest.raises(Invalid) as refused:
        await registry.add("vu-khong-co", release="desk")
    assert refused.value.errors[0].field == "unit"
    assert "vu-khong-co" in refused.value.errors[0].message_vi


async def test_a_unit_is_added_once(registry):
    key = await registry.add(UNIT, release="desk")
    with pytest.raises(Conflict) as refused:
        await registry.add(UNIT, release="automatic")
    assert "rotate" in refused.value.errors[0].message
    assert (await registry.authenticate(key)).registration.release == "desk"


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "loa_",
        "loa_van-phong-bo_",
        "loa_van-phong-bo_" + "0" * 64,
        "loa_cuc-viec-lam_" + "0" * 64,
        "loa_*_" + "0" * 64,
        "loa_>_" + "0" * 64,
        "loa_a.b_" + "0" * 64,
        "loa_van-phong-bo_" + "é" * 64,
        "x" * 100_000,
    ],
)
async def test_a_wrong_key_proves_nothing(registry, wrong):
    await registry.add(UNIT, release="desk")
    with pytest.raises(Unauthorized) as refused:
        await registry.authenticate(wrong)
    assert refused.value.errors[0].field == "Authorization"


async def test_a_key_of_one_unit_is_no_key_of_another(registry):
    key = await registry.add(UNIT, release="desk")
    await registry.add("cuc-viec-lam", release="desk")
    with pytest.raises(Unauthorized):
        await registry.authenticate(key.replace(UNIT, "cuc-viec-lam"))


async def test_a_rotated_key_works_24_hours_more(registry, clock):
    old = await registry.add(UNIT, release="desk")
    new = await registry.rotate(UNIT)
    clock.advance(24 * HOUR - 1)
    assert [(await registry.authenticate(key)).unit for key in (old, new)] == [UNIT] * 2
    clock.advance(1)
    assert (await registry.authenticate(new)).unit == UNIT
    with pytest.raises(Unauthorized):
        await registry.authenticate(old)


async def test_rotating_again_does_not_prolong_the_oldest_key(registry, clock):
    old = await registry.add(UNIT, release="desk")
    await registry.rotate(UNIT)
    clock.advance(23 * HOUR)
    await registry.rotate(UNIT)
    clock.advance(HOUR)
    with pytest.raises(Unauthorized):
        await registry.authenticate(old)


async def test_rotating_now_ends_every_older_key(registry):
    old = [await registry.add(UNIT, release="desk"), await registry.rotate(UNIT)]
    new = await registry.rotate(UNIT, now=True)
    assert (await registry.authenticate(new)).unit == UNIT
    for key in old:
        with pytest.raises(Unauthorized):
            await registry.authenticate(key)


async def test_keys_that_have_ended_are_forgotten(registry, clock):
    await registry.add(UNIT, release="desk")
    for _ in range(5):
        clock.advance(25 * HOUR)
        await registry.rotate(UNIT)
    assert len((await registry.find(UNIT)).keys) == 2


async def test_a_revoked_unit_is_refused_everywhere_and_stays_registered(registry, bus, clock):
    key = await registry.add(UNIT, release="automatic")
    elsewhere = UnitRegistry(bus, DEFAULT, clock)
    assert (await elsewhere.authenticate(key)).unit == UNIT
    await registry.revoke(UNIT)
    with pytest.raises(Unauthorized):
        await elsewhere.authenticate(key)
    assert (await registry.find(UNIT)).release == "automatic"
    assert (await registry.authenticate(await registry.rotate(UNIT))).unit == UNIT


@pytest.mark.parametrize("change", ["rotate", "revoke", "update"])
async def test_an_unregistered_unit_can_not_be_changed(registry, change):
    with pytest.raises(Invalid) as refused:
        await getattr(registry, change)(UNIT)
    assert refused.value.errors[0].field == "unit"


async def test_changes_at_the_same_moment_are_all_kept(registry):
    await registry.add(UNIT, release="desk")
    keys = await asyncio.gather(*(registry.rotate(UNIT) for _ in range(5)))
    assert [(await registry.authenticate(key)).unit for key in keys] == [UNIT] * 5


async def test_members_are_listed_by_name(registry):
    assert await registry.registered_units() == []
    for unit in ("vu-phap-che", UNIT, "cuc-viec-lam"):
        await registry.add(unit, release="desk", urgent=unit == UNIT)
    members = await registry.registered_units()
    listed = [(member.unit, member.registration.urgent) for member in members]
    assert listed == [("cuc-viec-lam", False), (UNIT, True), ("vu-phap-che", False)]


async def test_what_is_not_named_stays(registry):
    key = await registry.add(UNIT, release="desk", urgent=True)
    now = await registry.update(UNIT, notices=(ChannelName.EMAIL,))
    assert (now.release, now.urgent, now.notices) == ("desk", True, (ChannelName.EMAIL,))
    assert (await registry.authenticate(key)).registration == now


async def test_a_new_unit_is_told_in_both_languages_that_its_key_is_shown_once(loa):
    run = await loa("units", "add", UNIT)
    name, key, *said = run.stdout.splitlines()[-4:]
    assert (name, key[:4]) == (UNIT, "loa_")
    assert "shown once" in said[0] and "chỉ hiện một lần" in said[1]
