"""Who gets what: as the contract says, after every change, and quickly at any size."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from consumers.directory.audience import PreferenceIndex, preference_key
from consumers.directory.store import DirectoryRow, DirectoryStore
from contracts.subscriptions.subscriber import Subscriber, matches
from tests.support.publications import a_publication


def a_crowd(store: DirectoryStore, people: int) -> list[Subscriber]:
    """People with all kinds of wishes, in the store and as they would be in the bucket."""
    topics = ["viec-lam", "lich-nghi-le", "tuyen-dung", "to-chuc-bien-che"]
    audiences = ["can-bo", "cong-dan", "cong-chuc"]
    units = ["van-phong-bo", "vu-phap-che"]
    crowd = [
        Subscriber(
            id=f"p{number:06}",
            email=f"p{number}@example.com",
            topics=tuple(topics[: number % 5]),
            audiences=tuple(audiences[number % 7 :]),
            units=tuple(units[: number % 3]),
        )
        for number in range(people)
    ]
    rows = [
        DirectoryRow(one.id, one.email, one.name, preference_key(one.model_dump())) for one in crowd
    ]
    store.apply(rows, people)
    return crowd


@pytest.fixture
def store(tmp_path: Path) -> Iterator[DirectoryStore]:
    store = DirectoryStore(tmp_path / "directory.sqlite")
    yield store
    store.close()


@pytest.mark.parametrize("topic", ["viec-lam", "to-chuc-bien-che", "cai-cach-cong-vu"])
@pytest.mark.parametrize("audiences", [(), ("cong-chuc",), ("can-bo", "cong-dan")])
@pytest.mark.parametrize("limit", [1, 7, 100, 5000])
def test_the_answer_is_what_the_contract_says_whatever_the_way(store, topic, audiences, limit):
    crowd = a_crowd(store, 2000)
    publication = a_publication(topic=topic, audiences=audiences, unit="vu-phap-che")
    expected = [one.id for one in crowd if matches(one, publication)]
    tastes = PreferenceIndex(store)
    listed, last = [], ""
    while ids := tastes.ids_after(publication, last, limit):
        assert len(ids) <= limit
        listed += ids
        last = ids[-1]
    assert listed == expected
    assert tastes.count(publication) == len(expected)
    met = tastes.find_matching(publication)
    assert tastes._merge_ids(met, "p000500", 50) == [id for id in expected if id > "p000500"][:50]


def test_counts_follow_every_change(store):
    a_crowd(store, 300)
    publication = a_publication()
    tastes = PreferenceIndex(store)
    before = tastes.count(publication)
    everything, nothing = preference_key({}), preference_key({"topics": ["viec-lam"]})
    store.apply([DirectoryRow("new", "n@example.com", "", everything)], 301)
    assert tastes.count(publication) == before + 1
    store.apply([DirectoryRow("new", "n@example.com", "", nothing)], 302)
    assert tastes.count(publication) == before
    store.apply([DirectoryRow("new", "n@example.com", "", everything), DirectoryRow("new")], 303)
    assert tastes.count(publication) == before
    store.apply([DirectoryRow("never-there")], 304)
    assert tastes.count(publication) == before


def test_only_who_wants_it_at_once_is_told_at_once(store):
    rhythms = ("immediate", "daily", "weekly")
    rows = [
        DirectoryRow(one, f"{one}@x.vn", "", preference_key({"frequency": one})) for one in rhythms
    ]
    store.apply(rows, 1)
    tastes = PreferenceIndex(store)
    assert tastes.ids_after(a_publication(), "", 10) == ["immediate"]
    assert tastes.count(a_publication()) == 1


def test_a_contact_is_paused_until_the_pause_is_over(store):
    store.apply(
        [DirectoryRow("an", "an@example.com", "", preference_key({}), paused_until=1000.0)], 1
    )
    assert store.contacts(["an"], 999.0)["an"].is_paused
    assert not store.contacts(["an"], 1000.0)["an"].is_paused


def test_a_chunk_is_taken_in_whole_or_not_at_all(store):
    store.apply([DirectoryRow("an", "an@example.com", "", preference_key({}))], 1)
    with pytest.raises(sqlite3.Error):
        store.apply([DirectoryRow("an"), DirectoryRow("binh", None, "", preference_key({}))], 2)  # type: ignore[arg-type]
    assert store.seq == 1
    assert list(store.contacts(["an"])) == ["an"]


def test_calls_take_no_more_steps_with_ten_times_as_many_people(store, tmp_path):
    a_crowd(store, 10_000)
    with closing(DirectoryStore(tmp_path / "large.sqlite")) as large:
        a_crowd(large, 100_000)
        few, many = steps_of_calls(store), steps_of_calls(large)
    assert {name: many[name] <= 1.5 * few[name] for name in few} == dict.fromkeys(few, True), many


def steps_of_calls(store: DirectoryStore) -> dict[str, int]:
    """How many hundreds of steps SQLite's machine takes for each kind of call."""
    tastes = PreferenceIndex(store)
    ids = tastes.ids_after(a_publication(), "p005000", 25)
    calls: dict[str, Callable[[], Any]] = {
        "window": lambda: store.contacts(ids),
        "many": lambda: tastes.ids_after(a_publication(), "p005000", 1000),
        "few": lambda: tastes.ids_after(a_publication(topic="to-chuc-bien-che"), "p000001", 500),
        "count": lambda: tastes.count(a_publication()),
    }
    return {name: steps(store, call) for name, call in calls.items()}


def steps(store: DirectoryStore, call: Callable[[], Any]) -> int:
    hundreds: list[int] = []
    store.db.set_progress_handler(lambda: hundreds.append(1), 100)
    call()
    store.db.set_progress_handler(None, 0)
    return len(hundreds)
