"""The Official Account that a command refers to: the configured one, or the sandbox's."""

from collections.abc import Iterable
from dataclasses import asdict

from channels.zalo.case_notices.template_by_kind import TemplateStatus
from channels.zalo.factory import ChannelStores
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import stand_in_settings
from consumers.app.instance import sandbox_url
from consumers.app.settings import LoaSettings, read_settings
from consumers.app.wiring import zalo
from consumers.cli.output import print_table
from consumers.cli.stores import open_keys
from producers.bus import Bus

KIND_COLUMNS = ("kind", "status", "template", "name", "state", "quality", "tag", "phone", "user id")


def chosen_account() -> ZaloSettings:
    """The app that is configured; where none is, the sandbox of the running Loa stands in.

    Raises Invalid.
    """
    configured = read_settings(ZaloSettings)
    url = "" if configured.app_id else sandbox_url(read_settings(LoaSettings))
    if url:
        return stand_in_settings(url, configured)
    zalo.require_app(configured)
    return configured


async def account_stores(bus: Bus, account: ZaloSettings) -> ChannelStores:
    """Where the account's tokens lie. Raises Invalid for a key of other data."""
    return zalo.zalo_stores(bus, await open_keys(bus), account.app_id)


def print_kinds(kinds: Iterable[TemplateStatus]) -> None:
    """Each kind of case notice with its template; prices in đồng."""
    rows = [asdict(one).values() for one in kinds]
    print_table(
        KIND_COLUMNS, [[value if value not in ("", None) else "-" for value in row] for row in rows]
    )
