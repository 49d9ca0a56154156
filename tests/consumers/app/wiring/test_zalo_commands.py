"""A command says what is away: Zalo, or the bus."""

import pytest

from channels.errors import Unreachable
from consumers.app.wiring.zalo import _zalo_transport
from consumers.runtime.errors import BusUnreachable
from contracts.errors import Unavailable


@pytest.mark.parametrize(
    ("trouble", "field"),
    [(Unreachable("no connection: ClientConnectorError"), "zalo"), (BusUnreachable("bus"), "bus")],
)
async def test_what_is_away_is_named(trouble, field):
    with pytest.raises(Unavailable) as away:
        async with _zalo_transport():
            raise trouble
    [error] = away.value.errors
    assert error.field == field
    assert trouble.reason in error.message
