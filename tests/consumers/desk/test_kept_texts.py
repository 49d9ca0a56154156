"""Typed and unsaved texts: each account has its own; open pages are known a minute."""

from typing import NamedTuple

import pytest

from consumers.desk.kept_texts import KeptTexts
from contracts.desk.kept_texts import OPEN_WITHOUT_SCRIPTS
from contracts.errors import Invalid


class Account(NamedTuple):
    id: str
    name: str


AN, BINH = Account("nv-an", "Trần Văn An"), Account("nv-binh", "Lê Thị Bình")


@pytest.fixture
def texts(bus, clock):
    return KeptTexts(bus, clock)


async def test_a_text_is_kept_for_its_account_alone_until_it_is_dropped(texts):
    await texts.keep(AN.id, "tin-1", {"body": ["cũ"], "hash": ["a"]})
    await texts.keep(AN.id, "tin-1", {"body": ["mới"], "hash": ["b"]})
    found = await texts.find(AN.id, "tin-1")
    assert (found.fields["body"], found.hash) == (["mới"], "b")
    assert await texts.find(BINH.id, "tin-1") is None
    assert await texts.find(AN.id, "tin-2") is None
    await texts.drop(AN.id, "tin-1")
    assert await texts.find(AN.id, "tin-1") is None


async def test_a_save_leaves_what_another_tab_keeps_at_the_same_moment(texts, monkeypatch):
    saved, other = {"act_id": ["a"]}, {"act_id": ["b"]}
    await texts.keep(AN.id, "tin-1", saved)
    purge_if = texts.bucket.purge_if

    async def keep_first(key: str, revision: int) -> int:
        await texts.keep(AN.id, "tin-1", other)
        return await purge_if(key, revision)

    monkeypatch.setattr(texts.bucket, "purge_if", keep_first)
    await texts.drop_saved(AN.id, "tin-1", saved)
    assert (await texts.find(AN.id, "tin-1")).fields == other
    monkeypatch.undo()
    await texts.drop_saved(AN.id, "tin-1", other)
    assert await texts.find(AN.id, "tin-1") is None


async def test_a_text_that_is_too_large_is_refused_and_the_former_stays(texts):
    await texts.keep(AN.id, "tin-1", {"body": ["nhỏ"]})
    with pytest.raises(Invalid):
        await texts.keep(AN.id, "tin-1", {"body": ["x" * 900_000]})
    assert (await texts.find(AN.id, "tin-1")).fields == {"body": ["nhỏ"]}


async def test_one_account_keeps_so_many_texts_and_the_oldest_goes(texts):
    for number in range(52):
        await texts.keep(AN.id, f"tin-{number}", {"body": ["x"]})
    kept = [await texts.find(AN.id, f"tin-{number}") for number in range(52)]
    assert [one is not None for one in kept] == [False] * 2 + [True] * 50


async def test_who_else_has_a_text_open_is_known_while_the_pages_say_so(texts, clock):
    assert await texts.open_page(AN, "tin-1") == []
    [other] = await texts.open_page(BINH, "tin-1")
    assert other.name == AN.name
    assert await texts.open_page(BINH, "tin-2") == []
    clock.advance(40)
    await texts.open_page(AN, "tin-1")
    clock.advance(30)
    assert [one.since for one in await texts.open_page(BINH, "tin-1")] == [other.since]
    clock.advance(61)
    assert await texts.open_page(BINH, "tin-1") == []


async def test_a_page_without_scripts_counts_as_open_while_it_may_be_written_on(texts, clock):
    await texts.open_page(AN, "tin-1", OPEN_WITHOUT_SCRIPTS)
    clock.advance(14 * 60)
    assert [one.name for one in await texts.open_page(BINH, "tin-1")] == [AN.name]
    clock.advance(61)
    assert await texts.open_page(BINH, "tin-1") == []


async def test_a_page_that_closed_is_open_no_more(texts):
    await texts.open_page(AN, "tin-1")
    await texts.close_page(AN.id, "tin-1")
    assert await texts.open_page(BINH, "tin-1") == []
