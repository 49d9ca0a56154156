"""Builds the channels from settings, and what each needs from the bus and the key file."""

from channels.base import Channel
from channels.email.channel import EmailChannel
from channels.email.unsubscribe import HmacSigner
from channels.portal.channel import PortalChannel
from channels.zalo import connect
from consumers.app.node import Node
from consumers.vault import BusNotebook, BusVault


def email(node: Node) -> Channel:
    signer = HmacSigner(node.keys.derive("unsubscribe"))
    return EmailChannel(node.email, node.public_url, signer, node.vocabulary)


def portal(node: Node) -> Channel:
    return PortalChannel(node.settings.portal_dir, node.public_url, node.vocabulary)
