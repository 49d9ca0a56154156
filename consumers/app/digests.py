"""Joins the parts of digests: the service that cuts them, and how corrections find them."""

from consumers import restore
from consumers.app.node import Node
from consumers.app.settings import read
from consumers.digests import noted
from consumers.digests.book import Book
from consumers.digests.calendar import Calendar
from consumers.digests.cut import Cutter
from consumers.digests.holdings import Holdings
from consumers.digests.readers import DigestReaders
from consumers.digests.renew import Renewal
from consumers.digests.service import Digests
from consumers.fence import Fence


def holdings(node: Node) -> Holdings:
    """What a planner of mail asks about digests."""
    return Holdings(Book(node.bus), Fence(node.ledger, node.waker, node.clock))


async def digests(node: Node) -> None:
    """PUBLICATIONS → digests, in the ledger."""
    book, calendar = Book(node.bus), read(Calendar)
    await noted.note(node.bus, calendar)  # for commands, whose settings may be others
    service = Digests(
        node.ledger,
        node.waker,
        Fence(node.ledger, node.waker, node.clock),
        book,
        Cutter(node.bus, book, node.register, calendar, node.clock),
        Renewal(node.bus, node.register, node.clock),
        DigestReaders(node.bus, node.ledger, book, node.directory, node.clock),
        doubtful=await restore.doubtful(node.bus),
        clock=node.clock,
    )
    node.tasks.append(service.run)
