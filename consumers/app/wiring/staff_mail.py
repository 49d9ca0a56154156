"""Build the mail to staff about items on the desk."""

from consumers.app.node import Node
from consumers.app.settings import DeskSettings, read_settings
from consumers.app.wiring.subscribers import open_mailer
from consumers.staff.accounts import AccountStore
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.mail.outbox import StaffOutbox
from consumers.staff.mail.sender import StaffMailSender
from consumers.staff.mail.service import StaffMailService
from consumers.staff.policy import load_policy


async def add_staff_mail(node: Node) -> None:
    """EDITORIAL → mail to staff, in the ledger."""
    await node.open_proven_key()
    accounts, outbox = AccountStore(node.bus, node.clock), StaffOutbox(node.bus)
    sender = StaffMailSender(
        open_mailer(node),
        accounts,
        StaffAddresses(node.keys.derive),
        outbox,
        lambda: _desk_url(node),
        node.clock,
    )
    policy = load_policy(node.settings.data_dir)
    service = StaffMailService(node.editorial_log, accounts, policy, outbox, sender, node.clock)
    node.tasks.append(service.run)


def _desk_url(node: Node) -> str:
    """The address of the desk: as set, or where this process serves it."""
    return read_settings(DeskSettings).url or node.addresses.get("desk", "")
