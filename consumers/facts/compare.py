"""Compare facts with the logs and the ledger: which are missing, and which say something else."""

from collections.abc import AsyncIterator, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict

from consumers.facts.follow import read_positions
from consumers.facts.sources import FactSource
from consumers.facts.store import FactStore, StoredFact
from contracts.facts import Fact

Problem = Literal["missing", "differs"]


class Difference(BaseModel):
    """A fact that is not what its source says."""

    model_config = ConfigDict(frozen=True)

    key: str
    problem: Problem
    stored: str = ""
    wanted: str = ""


async def differences(store: FactStore, source: FactSource) -> AsyncIterator[Difference]:
    """What was told of *source* and is not so. What is still to be told is left out.

    A fact whose source retention has removed is compared with none; so are readers,
    notices and incidents, of which only their time can tell. Raises BusError.
    """
    if not source.is_lasting:
        return
    until = (await read_positions(store.bus)).of(source.name).seq
    stored = await store.newest(source.kind)
    told = [one.fact async for one in source.told(0) if one.fact] if until else []
    doubted = [fact for fact in told if not _agree(stored, fact)]
    if not doubted:
        return
    pending = {one.fact.key async for one in source.told(until) if one.fact}
    for fact in doubted:
        if fact.key not in pending and (found := await _look_again(store, source, fact)):
            yield found


def _agree(stored: Mapping[str, StoredFact], fact: Fact) -> bool:
    known = stored.get(fact.key, StoredFact()).fact
    return known == fact or (known is not None and not fact.is_whole)


async def _look_again(store: FactStore, source: FactSource, fact: Fact) -> Difference | None:
    """The difference, if it is there now, too."""
    known = await store.read(fact.key)
    now = await source.again(fact)
    if now is None or _agree({fact.key: known}, now):
        return None
    stored = known.fact.encode().decode() if known.fact else ""
    problem: Problem = "differs" if stored else "missing"
    return Difference(key=fact.key, problem=problem, stored=stored, wanted=now.encode().decode())
