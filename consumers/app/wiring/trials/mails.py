"""Build the service that mails trials to units' guests."""

from functools import partial

from consumers.app.node import Node
from consumers.app.wiring.subscribers import open_mailer
from consumers.trials.guests import GuestAddresses
from consumers.trials.service import INTERVAL_S, TrialService
from consumers.trials.store import TrialStore
from producers.bus.periodic import every


async def add_trials(node: Node) -> None:
    """Bucket `trials` → mails to guests, in the ledger."""
    await node.open_proven_key()
    service = TrialService(
        TrialStore(node.bus),
        open_mailer(node),
        GuestAddresses(node.keys.derive),
        node.vocabulary,
        node.clock,
    )
    node.tasks.append(partial(every, INTERVAL_S, service.follow))
