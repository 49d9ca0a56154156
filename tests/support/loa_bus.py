"""The bus of a Loa that runs, for what no command and no page does."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from consumers.app.settings import LoaSettings, read_settings
from consumers.seals.takeover import seal_for_command, take_over
from producers.bus import Bus
from tests.support.loa_process import LoaProcess


def settings_of(loa: LoaProcess) -> LoaSettings:
    return read_settings(LoaSettings, data_dir=loa.data, nats_url="")


@asynccontextmanager
async def bus_of(loa: LoaProcess) -> AsyncIterator[Bus]:
    """A connection that seals and verifies records, as commands do."""
    settings = settings_of(loa)
    async with await Bus.connect(loa.ready().nats_url, name="test") as bus:
        await seal_for_command(bus, settings.key_file, settings.seals_file, take_over)
        yield bus
