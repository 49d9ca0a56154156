"""Where readers find what a command speaks of."""

from channels.portal.site import item_path
from consumers.app import running
from consumers.app.settings import LoaSettings, read


def place(content_id: str) -> str:
    """The item's address on the portal, as far as this machine knows it."""
    return running.public_url(read(LoaSettings)) + item_path(content_id)
