"""QR codes of the ministry's accounts, as files that the page of channels loads."""

from functools import cache
from io import BytesIO

import segno

from channels.portal.model.public_channels import PublicChannel
from design.assets import Asset


def has_qr_code(channel: PublicChannel) -> bool:
    """Whether a phone that reads the channel's address follows the channel: a social network."""
    return channel.kind == "social" and channel.url.startswith("https://")


@cache
def qr_code(address: str) -> Asset:
    """The QR code of *address*: dark on light in every scheme, as cameras need it."""
    drawn = BytesIO()
    segno.make(address, error="m", micro=False).save(
        drawn,
        kind="svg",
        xmldecl=False,
        border=4,
        dark="#000",
        light="#fff",
        unit="",
        omitsize=True,
    )
    return Asset("qr", ".svg", drawn.getvalue())
