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
    """The facts of *source* that are missing or differ, without those that are still to be stored.

    Facts whose source retention has removed are not compared; nor are readers, notices and
    incidents, which can be counted in their own time only. Raises BusError.
    """
    if not source.is_lasting:
        return
    until = (await read_positions(store.bus)).of(source.name).seq
    stored = await store.newest(source.kind)
    derived = [one.fact async for one in source.derive(0) if one.fact] if until else []
    doubted = [fact for fact in derived if not _agree(stored, fact)]
    if not doubted:
        return
    pending = {one.fact.key async for one in source.derive(until) if one.fact}
    for fact in doubted:
        if fact.key not in pending and (found := await _look_again(store, source, fact)):
            yield found


def _agree(stored: Mapping[str, StoredFact], fact: Fact) -> bool:
    known = stored.get(fact.key, StoredFact()).fact
    return known is not None and not fact.replaces(known)


async def _look_again(store: FactStore, source: FactSource, fact: Fact) -> Difference | None:
    """The difference, if it is there now, too."""
    known = await store.read(fact.key)
    now = await source.derive_again(fact)
    if now is None or _agree({fact.key: known}, now):
        return None
    stored = known.fact.encode().decode() if known.fact else ""
    problem: Problem = "differs" if stored else "missing"
    return Difference(key=fact.key, problem=problem, stored=stored, wanted=now.encode().decode())
