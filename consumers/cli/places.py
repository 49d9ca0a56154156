"""Where readers find what a command speaks of."""

from channels.portal.site import item_path
from consumers.app import running
from consumers.app.settings import LoaSettings, read
from consumers.faults import fault
from producers.printing import print_both


def place(content_id: str) -> str:
    """The item's address on the portal, as far as this machine knows it."""
    return running.public_url(read(LoaSettings)) + item_path(content_id)


def tell_place(code: str, address: str) -> None:
    """An address, and how it stands, in both languages; it ends the line, to be copied."""
    said = fault("address", code)
    print_both(f"{said.message}: {address}", f"{said.message_vi}: {address}")
