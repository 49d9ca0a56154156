"""What a unit may do can be changed; its keys and what it has sent stay as they are."""

import pytest

from contracts.delivery import ChannelName
from contracts.errors import Invalid
from contracts.vocabulary import DEFAULT
from producers.units.registry import UnitRegistry

UNIT = "van-phong-bo"


@pytest.fixture
async def registry(bus, clock):
    return UnitRegistry(bus, DEFAULT, clock)


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


async def test_a_unit_that_is_not_registered_is_named(registry):
    with pytest.raises(Invalid) as wrong:
        await registry.update(UNIT, urgent=True)
    assert [one.field for one in wrong.value.errors] == ["unit"]
