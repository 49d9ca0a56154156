"""Facts for an endpoint that lie on STATUS, and that its record does not name yet."""

from collections.abc import AsyncIterator

from consumers.callbacks.endpoints import ListedEndpoint
from consumers.callbacks.progress import Span
from consumers.callbacks.status_store import StatusStore, StoredStatus
from contracts import subjects


async def facts_of(
    statuses: StatusStore, listed: ListedEndpoint, span: Span
) -> AsyncIterator[StoredStatus]:
    """The facts of a span of the kinds that the endpoint wants. Raises BusError."""
    async for one in statuses.scan(subjects.status(listed.unit, "*"), span.next):
        if span.last is not None and one.seq > span.last:
            return
        if one.fact.status.kind in listed.endpoint.told_kinds:
            yield one


async def count_waiting(statuses: StatusStore, listed: ListedEndpoint) -> int:
    """How many facts wait for an endpoint, with those that are not taken yet. Raises BusError."""
    count = listed.progress.count
    for span in listed.progress.spans:
        async for _ in facts_of(statuses, listed, span):
            count += 1
    return count
