"""Compare facts with the logs and the ledger: which are missing, and which say something else."""

from collections.abc import AsyncIterator
from typing import Literal

from pydantic import BaseModel, ConfigDict

from consumers.facts.follow import read_positions
from consumers.facts.sources import FactSource
from consumers.facts.store import FactStore
from contracts.facts import Fact, decode

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
    doubted = await _doubted(store, source) if until else []
    if not doubted:
        return
    pending = {one.fact.key async for one in source.derive(until) if one.fact}
    for fact in doubted:
        if fact.key not in pending and (found := await _look_again(store, source, fact)):
            yield found


async def _doubted(store: FactStore, source: FactSource) -> list[Fact]:
    """The derived facts that are not stored so. Memory holds the stored facts as bytes."""
    stored = {one.fact.key: one.fact.encode() async for one in store.scan(source.kind) if one.fact}
    derived = (one.fact async for one in source.derive(0) if one.fact)
    return [fact async for fact in derived if not _agrees_with(stored.get(fact.key), fact)]


def _agrees_with(stored: bytes | None, fact: Fact) -> bool:
    if stored is None or stored == fact.encode():
        return stored is not None
    return not fact.replaces(decode(fact.key, stored))


async def _look_again(store: FactStore, source: FactSource, fact: Fact) -> Difference | None:
    """The difference, unless it is gone by now: a round may have written the fact meanwhile."""
    known = await store.read(fact.key)
    now = await source.derive_again(fact)
    stored = known.fact.encode() if known.fact else None
    if now is None or _agrees_with(stored, now):
        return None
    problem: Problem = "differs" if stored else "missing"
    said, wanted = (stored or b"").decode(), now.encode().decode()
    return Difference(key=fact.key, problem=problem, stored=said, wanted=wanted)
