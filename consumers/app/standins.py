"""Safe local stand-ins where nothing is configured: a mailbox for mail, the sandbox for Zalo."""

from channels.email import mailbox as pages
from channels.email.catch_all import CatchAll
from channels.email.maildrop import Maildrop
from channels.zalo.sandbox import server as sandbox
from consumers.app import channels
from consumers.app.node import Node
from consumers.app.ports import named
from contracts.delivery import ChannelName

NAMES = ("mailbox", "zalo-sandbox")
SANDBOX_PORT_OFFSET = 10


def replaced(node: Node) -> set[str]:
    """The stand-ins whose real thing is configured. Raises Invalid for one that is so by half."""
    if node.zalo.app_id:
        channels.check_app(node.zalo)
    real = {"mailbox": bool(node.email.host), "zalo-sandbox": node.zalo.configured}
    return {name for name, configured in real.items() if configured}


async def mailbox(node: Node) -> None:
    """Take every mail and show it at /hop-thu-thu; nobody gets any.

    The SMTP port is LOA_EMAIL_PORT when that is set, else the system's choice.
    """
    await node.prove_key()
    folder = node.settings.data_dir / "mail"
    folder.mkdir(mode=0o700, exist_ok=True)  # readers' addresses: nobody else's business
    drop = Maildrop(folder)
    receiver = CatchAll(drop)
    port = node.email.port if "port" in node.email.model_fields_set else 0
    with named("LOA_EMAIL", node.settings.http_host, port):
        chosen = await receiver.start(node.settings.http_host, port)
    node.stack.push_async_callback(receiver.stop)
    node.email = node.email.stand_in(chosen, node.settings.http_host)
    node.faces.add(pages.app(drop), "hop-thu-thu")
    node.stand_ins.add(ChannelName.EMAIL)


async def zalo_sandbox(node: Node) -> None:
    """Answer as Zalo does, on a port of its own; its page shows what a follower would see."""
    await node.prove_key()
    port = node.settings.http_port + SANDBOX_PORT_OFFSET if node.settings.http_port else 0
    host, folder = node.settings.http_host, node.settings.data_dir / "zalo-sandbox"
    with named("LOA_HTTP", host, port, plus=SANDBOX_PORT_OFFSET):
        running = await sandbox.start(host, port, folder)
    node.stack.push_async_callback(running.close)
    node.zalo = sandbox.standing_in(running.url, node.zalo)
    stores = channels.stores(node.bus, node.keys, running.settings.app_id)
    await channels.seed_zalo(running.settings, stores, running.grant())
    await channels.register_shipped(running.settings, stores)
    node.addresses["zalo_sandbox"] = running.url
    node.stand_ins.add(ChannelName.ZALO)
