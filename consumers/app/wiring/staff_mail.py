"""Build the mail to staff about items on the desk."""

import sys
from functools import partial

from consumers.app.node import Node
from consumers.app.settings import DeskSettings, load_deadlines, read_settings
from consumers.app.wiring.subscribers import open_mailer
from consumers.bulletins.released import ReleasedItems
from consumers.bulletins.released_issues import ReleasedIssues
from consumers.staff.accounts import AccountStore
from consumers.staff.mail.addresses import StaffAddresses
from consumers.staff.mail.outbox import StaffOutbox
from consumers.staff.mail.sender import StaffMailSender
from consumers.staff.mail.service import StaffMailService
from consumers.staff.policy import load_policy
from contracts.bulletins.correction import tells_withdrawn
from contracts.delivery import PlanKey
from contracts.trace import StatusCounts


async def add_staff_mail(node: Node) -> None:
    """EDITORIAL → mail to staff, in the ledger."""
    await node.open_proven_key()
    accounts, outbox = AccountStore(node.bus, node.clock), StaffOutbox(node.bus)
    policy = load_policy(node.settings.data_dir)
    sender = StaffMailSender(
        open_mailer(node),
        accounts,
        StaffAddresses(node.keys.derive),
        outbox,
        lambda: _desk_url(node),
        node.clock,
        node.editorial_log,
        policy,
    )
    service = StaffMailService(
        node.editorial_log,
        accounts,
        policy,
        load_deadlines(node.settings),
        outbox,
        sender,
        partial(_counts, node),
        partial(_issues_telling, node),
        node.clock,
    )
    node.tasks.append(service.run)


async def _counts(node: Node, plan: PlanKey) -> StatusCounts | None:
    """The rows of a revision on one channel; None before it is planned."""
    cursor = await node.ledger.plan(plan)
    return (await node.trace.channel_counts(plan, cursor.value))[0] if cursor else None


async def _issues_telling(node: Node, content_id: str) -> list[str]:
    """The issues of all series that readers have and that tell of an item."""
    issues = ReleasedIssues(ReleasedItems(node.bus, node.open_seals).publications)
    series = node.vocabulary.bulletins.items()
    found = [one for id, kind in series for one in await issues.of_series(kind.topic, id)]
    return [one.content_id for one in found if tells_withdrawn(one, {content_id: sys.maxsize})]


def _desk_url(node: Node) -> str:
    """The address of the desk: as set, or where this process serves it."""
    return read_settings(DeskSettings).url or node.addresses.get("desk", "")
