"""Who gets a publication: sorted, each reader once, and marked who must hear of a correction."""

import asyncio
from collections.abc import AsyncIterator, Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumers.dispatch import audience
from consumers.dispatch.audience import (
    ARTICLE,
    BROADCAST,
    AudienceQuery,
    AudienceRow,
    PortalAudience,
    SubscriberAudience,
    ZaloAudience,
)
from tests.support.publications import a_publication
from tests.support.scripted_channel import StaticReaders, reader_ids


async def stream(ids: Iterable[str]) -> AsyncIterator[str]:
    for id in ids:
        yield id


def telling(reached: Iterable[str], after: str, following: bool = True, **changes) -> AudienceQuery:
    """Answer of the planner: *reached* sorted, and only the part that lies behind *after*."""
    behind = sorted(id for id in set(reached) if id > after)
    return AudienceQuery(a_publication(**changes), following, stream(behind))


def told(audience, reached=(), after="", **kwargs) -> list[AudienceRow]:
    async def rows() -> list[AudienceRow]:
        return [row async for row in audience.rows(telling(reached, after, **kwargs), after)]

    return asyncio.run(rows())


# ---- people ---------------------------------------------------------------------------------

ids = st.sets(st.sampled_from(reader_ids(12)))
places = st.sampled_from(["", *reader_ids(12), "zzz"])


@given(ids, ids, places, st.booleans(), st.integers(1, 5))
def test_followers_and_those_reached_become_one_sequence(following, reached, after, wanted, chunk):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(audience, "READ_CHUNK", chunk)
        people = SubscriberAudience(StaticReaders(list(following)))
        rows = told(people, reached, after, following=wanted)
    expected = {id for id in (following if wanted else set()) | reached if id > after}
    assert [row.id for row in rows] == sorted(expected)
    assert {row.id for row in rows if row.correction} == {id for id in reached if id > after}


@given(ids, ids, st.integers(0, 12))
def test_a_plan_that_is_resumed_anywhere_goes_on_exactly_where_it_was(following, reached, done):
    people_ = SubscriberAudience(StaticReaders(list(following)))
    whole = told(people_, reached)
    begun = whole[:done]
    after = begun[-1].id if begun else ""
    assert begun + told(people_, reached, after) == whole


def test_followers_are_read_in_chunks_and_a_short_one_is_the_last(monkeypatch):
    monkeypatch.setattr(audience, "READ_CHUNK", 3)
    readers, asked = StaticReaders(reader_ids(7)), []
    real = readers.ids_after

    def watched(publication, last, limit):
        asked.append((last, limit))
        return real(publication, last, limit)

    readers.ids_after = watched
    assert len(told(SubscriberAudience(readers))) == 7
    assert asked == [("", 3), ("r000002", 3), ("r000005", 3)]


# ---- the portal -----------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["published", "corrected", "withdrawn"])
@pytest.mark.parametrize("following", [True, False])
@pytest.mark.parametrize("reached", [[], ["portal"]])
def test_the_portal_shows_every_position_once(action, following, reached):
    rows = told(PortalAudience(), reached, following=following, action=action)
    assert rows == [AudienceRow("portal")]
    assert len(rows) == PortalAudience().count(a_publication(action=action))


def test_a_portal_plan_that_is_resumed_has_nothing_left():
    assert told(PortalAudience(), after="portal") == []


# ---- the Official Account -------------------------------------------------------------------

NEW_ARTICLE, OLD_ARTICLE = AudienceRow(ARTICLE), AudienceRow(ARTICLE, True)


@pytest.mark.parametrize(
    ("following", "reached", "rows"),
    [
        (True, [], [NEW_ARTICLE, AudienceRow(BROADCAST)]),
        (True, [ARTICLE], [OLD_ARTICLE, AudienceRow(BROADCAST)]),
        (True, [ARTICLE, BROADCAST], [OLD_ARTICLE]),
        (True, [BROADCAST], [NEW_ARTICLE]),
        (False, [], []),
        (False, [ARTICLE], [OLD_ARTICLE]),
        (False, [ARTICLE, BROADCAST], [OLD_ARTICLE]),
        (False, [BROADCAST], []),
    ],
)
def test_an_article_is_updated_or_hidden_and_broadcast_at_most_once(following, reached, rows):
    assert told(ZaloAudience(), reached, following=following) == rows


@pytest.mark.parametrize("following", [True, False])
@pytest.mark.parametrize("reached", [[], [ARTICLE], [ARTICLE, BROADCAST], [BROADCAST]])
@pytest.mark.parametrize("done", [0, 1, 2])
def test_the_account_s_plan_is_resumed_without_a_second_broadcast(following, reached, done):
    whole = told(ZaloAudience(), reached, following=following)
    begun = whole[:done]
    after = begun[-1].id if begun else ""
    assert begun + told(ZaloAudience(), reached, after, following=following) == whole


@pytest.mark.parametrize(("action", "most"), [("published", 2), ("corrected", 1), ("withdrawn", 1)])
def test_the_account_counts_an_article_and_one_broadcast(action, most):
    assert ZaloAudience().count(a_publication(action=action)) == most
