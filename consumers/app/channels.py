"""Builds the channels from settings, and what each needs from the bus and the key file."""

import asyncio

import structlog

from channels.base import Channel
from channels.email.channel import EmailChannel
from channels.email.unsubscribe import HmacSigner
from channels.errors import ChannelError
from channels.portal.channel import PortalChannel
from channels.zalo import connect
from channels.zalo.channel import ZaloChannel
from channels.zalo.connect import Stores
from channels.zalo.oauth import Pair
from channels.zalo.pace import Pace
from channels.zalo.render import Site
from channels.zalo.transport import AioTransport
from consumers.app.node import Node
from consumers.vault import BusNotebook, BusVault

log = structlog.get_logger()
LOOK_AT_GRANT_S = 3600.0
COVER = "/loa-cover.png"
"""The cover of articles that bring none; the portal serves it."""


def email(node: Node) -> Channel:
    signer = HmacSigner(node.keys.derive("unsubscribe"))
    return EmailChannel(node.email, node.public_url, signer, node.vocabulary)


def portal(node: Node) -> Channel:
    return PortalChannel(node.settings.portal_dir, node.public_url, node.vocabulary)


def zalo(node: Node) -> ZaloChannel:
    site = Site(node.public_url, f"{node.public_url}{COVER}")
    return connect.open_channel(node.zalo, stores(node), site)


def stores(node: Node) -> Stores:
    return Stores(BusVault(node.bus), BusNotebook(node.bus), node.keys.fernet())


async def keep_grant(channel: ZaloChannel) -> None:
    """Renew the grant even when nothing is sent: an unused refresh token ends after 3 months."""
    while True:
        try:
            await channel.api.tokens.access()
        except ChannelError as trouble:
            log.warning("zalo_grant_unusable", reason=trouble.reason)
        await asyncio.sleep(LOOK_AT_GRANT_S)


async def seed_zalo(node: Node, pair: Pair) -> None:
    """Store a token pair that somebody obtained, encrypted, for every worker to use."""
    transport = AioTransport()
    try:
        tokens = connect.open_tokens(node.zalo, stores(node), transport, Pace())
        await tokens.seed(pair.access_token, pair.refresh_token, pair.life_s)
    finally:
        await transport.close()
