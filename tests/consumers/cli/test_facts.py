"""`loa facts`: what scripts get of facts, and what a check names when they do not fit."""

from pathlib import Path

import pytest

from consumers.facts.store import FactStore
from consumers.key_file import open_key_file
from contracts import subjects
from contracts.facts.kinds import release_of
from tests.consumers.facts.test_follow import DELIVERY, a_delivered_item, stored
from tests.support.cli import json_output
from tests.support.publications import a_publication
from tests.support.seals import use_key


@pytest.fixture
async def sealed_bus(bus, loa):
    """A bus whose records this machine's key seals, with an item that was delivered."""
    folder = Path(loa.environ["LOA_DATA_DIR"])
    await open_key_file(bus, folder / "vault.key")
    await use_key(bus, folder)
    await a_delivered_item(bus)
    return bus


async def rebuild(loa) -> dict[str, int]:
    answer = json_output(await loa("facts", "rebuild", "--json"))
    return {name: one["written"] for name, one in answer.items()}


async def wrong(loa) -> list[tuple[str, str]]:
    checked = json_output(await loa("check", "--deep", "--json"))
    rules = ("fact-wrong", "record-unsealed")
    return [(one["rule"], one["key"]) for one in checked["violations"] if one["rule"] in rules]


async def test_what_is_there_already_is_written_by_one_command_and_listed(sealed_bus, loa):
    assert (await rebuild(loa))["delivery"] == 1
    assert (await rebuild(loa))["delivery"] == 0
    listed = json_output(await loa("facts", "list", "--kind", "delivery", "--json"))
    assert [(one["key"], one["facts"]["counts"]) for one in listed] == [
        (DELIVERY, {"delivered": 2, "failed": 1})
    ]
    assert json_output(await loa("facts", "list", "--since", "2200-01-01", "--json")) == []


async def test_a_foreign_fact_is_named_and_counts_nowhere(sealed_bus, loa):
    await rebuild(loa)
    assert await wrong(loa) == []
    forged = release_of(a_publication()).model_copy(update={"unit": "don-vi-gia"})
    ack = await sealed_bus.publish(subjects.fact(forged.key), forged.encode())
    answer = await loa("facts", "list", "--kind", "release", "--json")
    assert "don-vi-gia" not in answer.stdout
    assert ("record-unsealed", f"FACTS.{ack.seq}") in await wrong(loa)


async def test_a_comparison_says_both_and_a_rebuild_ends_it(sealed_bus, loa):
    await rebuild(loa)
    store = FactStore(sealed_bus)
    known = await store.read(DELIVERY)
    assert await store.add(known.fact.model_copy(update={"copies": 7}), known.seq)
    compared = await loa("facts", "compare", "--json")
    [found] = json_output(compared)["differences"]
    assert (compared.exit_code, found["key"], found["problem"]) == (1, DELIVERY, "differs")
    assert '"copies":7' in found["stored"] and '"copies":0' in found["wanted"]
    assert await wrong(loa) == [("fact-wrong", subjects.fact(DELIVERY))]
    assert (await rebuild(loa))["delivery"] == 1
    assert (await loa("facts", "compare")).exit_code == 0
    assert [key for key, _ in await stored(sealed_bus)].count(DELIVERY) == 3
