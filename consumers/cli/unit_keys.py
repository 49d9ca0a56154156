"""Bring units' keys for the bus to the server, and prove that it lets them in."""

import asyncio
from pathlib import Path
from tempfile import TemporaryDirectory

from consumers.app import instance
from consumers.app.settings import LoaSettings, read_settings
from consumers.messages import field_error
from contracts import subjects
from contracts.errors import FieldError, Invalid
from producers.access import Access, without_password
from producers.bus import Bus, BusError
from producers.bus_access.configuration import ConfigurationFolder
from producers.bus_access.enforcement import Server, has_read
from producers.bus_access.key_files import write_private
from producers.bus_access.unit_accounts import write_units
from producers.units.registry import UnitRegistry

_SERVED_WITHIN_S = 15.0
_RETRY_S = 0.2
_WRONG_STREAM_CODE = 10060


def require_new_file(path: Path | None) -> None:
    """Raises Invalid for a file that is there already, and for one in no folder."""
    if path is None:
        return
    if path.exists():
        raise Invalid(field_error("out", "file_exists", value=path))
    if not (folder := path.absolute().parent).is_dir():
        raise Invalid(field_error("out", "out_folder_missing", value=folder))


async def tell_server(registry: UnitRegistry) -> list[FieldError]:
    """Bring the keys into the server's configuration; what is left for the operator to do."""
    settings = read_settings(LoaSettings)
    if not settings.nats_url:  # the Loa that owns the server follows the registered keys
        return []
    folder = ConfigurationFolder(settings.data_dir / "bus")
    if not folder.exists:
        return [field_error("bus", "bus_key_unknown", folder=folder.folder.resolve())]
    write_units(folder.folder / "units", await registry.bus_accounts())
    folder.write()
    return await unread_configuration(folder, settings)


async def unread_configuration(
    folder: ConfigurationFolder, settings: LoaSettings
) -> list[FieldError]:
    """Told as long as the server goes by an older configuration; keys revoked since get in."""
    if not folder.generation_key.exists():  # written by an earlier version
        return []
    server = Server(without_password(settings.nats_url), settings.nats_ca_file or folder.ca_file)
    if await has_read(server, folder.generation_key):
        return []
    return [field_error("bus", "bus_key_reload", folder=folder.folder.resolve())]


async def server_faults(registry: UnitRegistry) -> list[FieldError]:
    """Errors for units' keys that a server of the operator's lacks, as far as is told here."""
    settings = read_settings(LoaSettings)
    folder = ConfigurationFolder(settings.data_dir / "bus")
    goes_by_folder = settings.nats_url and settings.nats_nkey_file and folder.exists
    if not goes_by_folder:  # a server with a password knows no keys
        return []
    written = {one.unit: set(one.public_keys) for one in folder.units}
    accounts = await registry.bus_accounts()
    units = [one.unit for one in accounts if set(one.public_keys) != written.get(one.unit, set())]
    if units:
        return [field_error("bus", "bus_keys_unwritten", units=", ".join(units))]
    return await unread_configuration(folder, settings)


async def prove(unit: str, seed: str) -> list[FieldError]:
    """Wait until the Loa that runs here lets the key in; the text of why not yet."""
    settings = read_settings(LoaSettings)
    if settings.nats_url:
        return []
    running = await instance.find_running(settings)
    if running is None:
        return [field_error("bus", "bus_key_at_start")]
    with TemporaryDirectory(prefix="loa-") as folder:
        file = Path(folder) / "seed"
        write_private(file, seed.encode())
        deadline = asyncio.get_running_loop().time() + _SERVED_WITHIN_S
        while not await _is_served(running.nats_url, unit, file):
            if asyncio.get_running_loop().time() > deadline:
                return [field_error("bus", "bus_key_not_served", seconds=round(_SERVED_WITHIN_S))]
            await asyncio.sleep(_RETRY_S)
    return []


async def _is_served(url: str, unit: str, file: Path) -> bool:
    """Whether a message under this key reaches the unit's stream, which refuses this one."""
    access, headers = Access(nkey_file=file), {"Nats-Expected-Stream": "none"}
    try:
        async with await Bus.connect(without_password(url), access=access, patience_s=1) as bus:
            subject = subjects.content(unit, "submitted")
            await bus.publish(subject, b"", headers=headers, patience_s=0.5)
    except BusError as error:
        return error.err_code == _WRONG_STREAM_CODE
    return False
