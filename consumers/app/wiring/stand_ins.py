"""Local stand-ins where nothing is configured: a mailbox for mail, the sandbox for Zalo.

The sandbox is no part of the product: `add_zalo_sandbox` loads it by name when a process starts it.
"""

from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Protocol

from channels.email.devmailbox.mail_folder import MailFolder, catch_all_server
from channels.email.devmailbox.web import mailbox_app
from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.stand_in import stand_in_settings
from consumers.app.node import Node
from consumers.app.ports import blame_setting
from consumers.app.wiring import zalo
from consumers.messages import field_error
from contracts.delivery import ChannelName
from contracts.errors import Invalid

STAND_IN_NAMES = ("mailbox", "zalo-sandbox")
SANDBOX_PORT_OFFSET = 10
_SANDBOX_MODULE = "sandbox.zalo.server"


class RunningSandbox(Protocol):
    """A Zalo sandbox that answers at `url`. `template_routes`: kind of case notice to template."""

    @property
    def url(self) -> str: ...
    @property
    def template_routes(self) -> Mapping[str, str]: ...
    def grant(self) -> TokenPair: ...
    async def close(self) -> None: ...


def _load_sandbox() -> Callable[[str, int, Path], Awaitable[RunningSandbox]]:
    """The function that starts the sandbox. Raises Invalid where it is not installed."""
    try:
        start: Callable[[str, int, Path], Awaitable[RunningSandbox]]
        start = import_module(_SANDBOX_MODULE).start
    except ModuleNotFoundError as missing:
        raise Invalid(field_error("zalo-sandbox", "sandbox_not_installed")) from missing
    return start


def configured_services(node: Node) -> set[str]:
    """Stand-ins whose channel is configured. Raises Invalid for one that is half configured."""
    if node.zalo.app_id:
        zalo.require_app(node.zalo)
    configured = {"mailbox": bool(node.email.host), "zalo-sandbox": node.zalo.is_configured}
    return {name for name, is_configured in configured.items() if is_configured}


async def add_mailbox(node: Node) -> None:
    """Catch all mail and show it at /hop-thu-thu; none is delivered.

    The SMTP port is LOA_EMAIL_PORT when that is set, else the system's choice.
    """
    await node.open_proven_key()
    folder = node.settings.data_dir / "mail"
    folder.mkdir(mode=0o700, exist_ok=True)  # readers' addresses are private
    mail_folder = MailFolder(folder)
    server = catch_all_server(mail_folder)
    wanted_port = node.email.port if "port" in node.email.model_fields_set else 0
    with blame_setting("LOA_EMAIL", node.settings.http_host, wanted_port):
        port = await server.start(node.settings.http_host, wanted_port)
    node.stack.push_async_callback(server.stop)
    node.email = node.email.for_stand_in(port, node.settings.http_host)
    node.web_apps.add(mailbox_app(mail_folder), "hop-thu-thu")
    node.stand_ins.add(ChannelName.EMAIL)


async def add_zalo_sandbox(node: Node) -> None:
    """Answer as Zalo does, on a port of its own; its page shows a follower's view."""
    await node.open_proven_key()
    port = node.settings.http_port + SANDBOX_PORT_OFFSET if node.settings.http_port else 0
    host, folder = node.settings.http_host, node.settings.data_dir / "zalo-sandbox"
    start = _load_sandbox()
    with blame_setting("LOA_HTTP", host, port, plus=SANDBOX_PORT_OFFSET):
        sandbox = await start(host, port, folder)
    node.stack.push_async_callback(sandbox.close)
    node.zalo = stand_in_settings(sandbox.url, node.zalo)
    stores = zalo.zalo_stores(node.bus, node.keys, node.zalo.app_id)
    await zalo.store_token_pair(node.zalo, stores, sandbox.grant())
    await zalo.register_missing_templates(node.zalo, stores, sandbox.template_routes)
    node.addresses["zalo_sandbox"] = sandbox.url
    node.stand_ins.add(ChannelName.ZALO)
