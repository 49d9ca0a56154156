"""The embedded server is told which keys of units it lets in, also after a full disk."""

import errno

import structlog

from consumers.app.unit_access import UnitAccess
from producers.bus_access.unit_accounts import UnitAccount

UNIT = UnitAccount("van-phong-bo", ("U" + "A" * 55,))


class Registered:
    async def bus_accounts(self):
        return [UNIT]


class FullDisk:
    """A server whose settings can't be written yet."""

    admitted_units = ()
    is_full = True

    async def admit_units(self, units):
        if self.is_full:
            raise OSError(errno.ENOSPC, "no space left")
        self.admitted_units = units


async def test_a_full_disk_ends_nothing_and_the_keys_are_let_in_later(bus):
    server = FullDisk()
    access = UnitAccess(bus, server, Registered())
    with structlog.testing.capture_logs() as logs:
        await access.apply()
    assert "unit_accounts_unwritten" in [line["event"] for line in logs]
    server.is_full = False
    await access.apply()
    assert server.admitted_units == (UNIT,)
