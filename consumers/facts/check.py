"""Rules of facts: each says what its log, or the ledger, says, and Loa wrote it."""

from collections.abc import AsyncIterator, Sequence

from consumers.check.findings import Violation
from consumers.facts.compare import differences
from consumers.facts.sources import FactSource
from consumers.facts.store import FactStore
from contracts import subjects


async def check_facts(store: FactStore, sources: Sequence[FactSource]) -> AsyncIterator[Violation]:
    """Name messages without Loa's seal, and facts that are missing or differ."""
    async for seq, reason in store.foreign():
        yield Violation(rule="record-unsealed", key=f"{subjects.FACTS.name}.{seq}", detail=reason)
    for source in sources:
        async for one in differences(store, source):
            detail = f"{one.stored or 'nothing'} instead of {one.wanted}"
            yield Violation(rule="fact-wrong", key=subjects.fact(one.key), detail=detail)
