"""The Official Account that a command speaks of."""

from collections.abc import Iterable
from dataclasses import asdict

from channels.zalo.connect import Stores
from channels.zalo.sandbox.server import standing_in
from channels.zalo.serving import Serving
from channels.zalo.settings import ZaloSettings
from consumers.app import channels
from consumers.app.running import sandbox_of
from consumers.app.settings import LoaSettings, read
from consumers.cli.answers import print_table
from consumers.vault import belonging
from producers.bus import Bus

KINDS = ("kind", "status", "template", "name", "state", "quality", "tag", "phone", "user id")


def account() -> ZaloSettings:
    """The app that is configured; where none is, the sandbox of the running Loa stands in.

    Raises Invalid.
    """
    said = read(ZaloSettings)
    url = "" if said.app_id else sandbox_of(read(LoaSettings))
    if url:
        return standing_in(url, said)
    channels.check_app(said)
    return said


async def stores(bus: Bus, account: ZaloSettings) -> Stores:
    """Where the account's tokens lie. Raises Invalid for a key of other data."""
    keys = await belonging(bus, read(LoaSettings).key_file)
    return channels.stores(bus, keys, account.app_id)


def tell_kinds(kinds: Iterable[Serving]) -> None:
    """Each kind of case notice with its template; prices in đồng."""
    rows = [asdict(one).values() for one in kinds]
    print_table(
        KINDS, [[value if value not in ("", None) else "-" for value in row] for row in rows]
    )
