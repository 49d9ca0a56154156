"""Local stand-ins where nothing is configured: a mailbox for mail, the sandbox for Zalo.

The sandbox is no part of the product: `add_zalo_sandbox` loads it by name when a process starts it.
"""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Protocol

import structlog

from channels.email.devmailbox.mail_folder import MailFolder, catch_all_server
from channels.email.devmailbox.web import mailbox_app
from channels.email.settings import EmailSettings
from channels.zalo.client.oauth_api import TokenPair
from channels.zalo.settings import ZaloSettings
from channels.zalo.stand_in import stand_in_settings
from channels.zalo.webhook import endpoint
from consumers.app.node import Node
from consumers.app.ports import SANDBOX_PORT_OFFSET, blame_setting
from consumers.app.settings import MAILBOX, STAND_IN_NAMES, ZALO_SANDBOX, LoaSettings
from consumers.app.wiring import zalo
from consumers.channel_health.destinations import (
    Destination,
    load_destinations,
    publish_destination,
)
from consumers.messages import field_error
from consumers.status.places import describe_place
from contracts.delivery import ChannelName
from contracts.errors import FieldError, Invalid
from producers.output import print_errors

log = structlog.get_logger()
_MISSING_VARIABLES = {MAILBOX: "LOA_EMAIL_HOST", ZALO_SANDBOX: "LOA_ZALO_APP_ID"}
"""Settings that replace each stand-in."""
_CHANNELS = {MAILBOX: ChannelName.EMAIL, ZALO_SANDBOX: ChannelName.ZALO}
_SANDBOX_MODULE = "sandbox.zalo.server"


class RunningSandbox(Protocol):
    """A Zalo sandbox that answers at `url`. `template_routes`: kind of case notice to template."""

    @property
    def url(self) -> str: ...
    @property
    def template_routes(self) -> Mapping[str, str]: ...
    @property
    def oa_secret(self) -> str: ...
    def trust_webhook(self, address: str) -> None: ...
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
    return _configured(node.email, node.zalo)


def _configured(email: EmailSettings, zalo: ZaloSettings) -> set[str]:
    configured = {MAILBOX: email.has_relay, ZALO_SANDBOX: bool(zalo.app_id)}
    return {name for name, is_configured in configured.items() if is_configured}


def withheld_stand_ins(settings: LoaSettings, email: EmailSettings, zalo: ZaloSettings) -> set[str]:
    """Stand-ins that `loa up` does not start, although their channel is not configured.

    They show every mail, and take orders without a password, so they start only where other
    machines can't reach them, or where LOA_STAND_INS names them.
    """
    if not settings.exposed_by:
        return set()
    return set(STAND_IN_NAMES) - _configured(email, zalo) - settings.wanted_stand_ins


async def find_displaced(node: Node) -> dict[str, str]:
    """The real destinations whose place stand-ins would take unasked. Raises BusError.

    What waits for a relay or for Zalo would end on this machine, told as delivered, after a start
    without its settings. A stand-in that LOA_STAND_INS has named once starts unasked from then on.
    """
    places = await load_destinations(node.bus)
    unasked = set(STAND_IN_NAMES) - _configured(node.email, node.zalo)
    unasked -= node.settings.wanted_stand_ins
    return {
        name: places[channel].real
        for name, channel in _CHANNELS.items()
        if name in unasked and channel in places and places[channel].real
    }


def withheld_services(node: Node) -> set[str]:
    """Stand-ins that do not start here, because others reach them or for a real destination."""
    withheld = withheld_stand_ins(node.settings, node.email, node.zalo)
    return withheld | set(node.displaced)


def describe_withheld(
    settings: LoaSettings, email: EmailSettings, zalo: ZaloSettings
) -> list[FieldError]:
    """An error for each withheld stand-in; it names the variable to set instead."""
    return [
        field_error(_MISSING_VARIABLES[name], "stand_in_withheld", **_refusal_facts(settings, name))
        for name in sorted(withheld_stand_ins(settings, email, zalo))
    ]


def _refusal_facts(settings: LoaSettings, name: str) -> dict[str, str]:
    return {"value": name, "variable": settings.exposed_by}


def _require_permission(settings: LoaSettings, name: str) -> None:
    """Raises Invalid for a stand-in that others reach and that LOA_STAND_INS does not name."""
    if settings.exposed_by and name not in settings.wanted_stand_ins:
        facts = _refusal_facts(settings, name)
        raise Invalid(field_error("LOA_STAND_INS", "stand_in_refused", **facts))


def report_withheld(node: Node, withheld: set[str]) -> None:
    """Log the stand-ins that do not start; a Zalo without a worker shows in `loa status`."""
    for name in sorted(withheld):
        missing, exposed = _MISSING_VARIABLES[name], node.settings.exposed_by
        former = node.displaced.get(name, "")
        facts = {"exposed_by": exposed, "former": former}
        facts = {key: value for key, value in facts.items() if value}
        log.warning("stand_in_withheld", service=name, variable=missing, **facts)
        if former:
            place = describe_place(former)
            print_errors([field_error(missing, "stand_in_displaces", value=name, former=place)])
    if ZALO_SANDBOX in withheld:
        node.on_ready.append(partial(_publish_nowhere, node))


async def _publish_nowhere(node: Node) -> None:
    """Publish that Zalo's output goes nowhere. Raises BusError."""
    to, is_stand_in = zalo.destination(node)
    destination = Destination(to=to, stand_in=is_stand_in, at=node.clock())
    await publish_destination(node.bus, ChannelName.ZALO, destination)


async def add_mailbox(node: Node) -> None:
    """Catch all mail and show it at /hop-thu-thu; none is delivered.

    The SMTP port is LOA_EMAIL_PORT when that is set, else the system's choice. Raises Invalid
    where others could reach it unasked.
    """
    _require_permission(node.settings, MAILBOX)
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
    """Answer as Zalo does, on a port of its own; its page shows a follower's view.

    Raises Invalid where others could reach it unasked.
    """
    _require_permission(node.settings, ZALO_SANDBOX)
    await node.open_proven_key()
    port = node.settings.http_port + SANDBOX_PORT_OFFSET if node.settings.http_port else 0
    host, folder = node.settings.http_host, node.settings.data_dir / "zalo-sandbox"
    start = _load_sandbox()
    with blame_setting("LOA_HTTP", host, port, plus=SANDBOX_PORT_OFFSET):
        sandbox = await start(host, port, folder)
    node.stack.push_async_callback(sandbox.close)
    for url in (node.own_url, node.public_url):
        sandbox.trust_webhook(f"{url}{endpoint.PATH}")
    node.zalo = stand_in_settings(sandbox.url, node.zalo, sandbox.oa_secret)
    stores = zalo.zalo_stores(node.bus, node.keys, node.zalo.app_id)
    await zalo.store_token_pair(node.zalo, stores, sandbox.grant())
    await zalo.register_missing_templates(node.zalo, stores, sandbox.template_routes)
    node.addresses["zalo_sandbox"] = sandbox.url
    node.stand_ins.add(ChannelName.ZALO)
