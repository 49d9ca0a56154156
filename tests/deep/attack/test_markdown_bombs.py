"""Bodies that ask for as much as they can: bounded when shown, in work that grows evenly."""

import sys
import time
from collections import Counter
from contextlib import suppress
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.base.markdown_size import RENDERED_MAX, rendered_size
from contracts.base.strict_json import dumps
from contracts.envelope import MAX_EVENT_BYTES, from_structured
from contracts.errors import ContractError
from contracts.events import read
from contracts.vocabulary import DEFAULT
from tests.support.gateway_client import open_gateway, sample_event
from tests.support.markdown_bombs import BODY_MAX, BOMBS, mixed_bomb
from tests.support.processor_time import at_most
from tests.support.rendered_forms import PIECES, largest_form, portal_html

SIZE = 1_000
PLAIN = ("Cải cách hành chính năm nay. " * BODY_MAX)[:BODY_MAX]
MOST_WORK = 5
bombs = pytest.mark.parametrize("name", BOMBS)


@bombs
def test_the_greatest_body_is_never_shown_beyond_the_limit(name):
    markdown = BOMBS[name](BODY_MAX)
    assert len(markdown) <= BODY_MAX
    assert largest_form(markdown) <= RENDERED_MAX


@bombs
def test_what_passes_the_door_by_a_little_is_within_the_limit(name):
    fits, fails = 1, BODY_MAX
    while fails - fits > 100:
        middle = (fits + fails) // 2
        passes = rendered_size(BOMBS[name](middle)) <= RENDERED_MAX
        fits, fails = (middle, fails) if passes else (fits, middle)
    assert largest_form(BOMBS[name](fits)) <= RENDERED_MAX


@settings(max_examples=3_000)
@given(st.lists(st.sampled_from(PIECES), max_size=60).map("".join))
def test_the_count_holds_for_any_text(markdown):
    assert largest_form(markdown) <= rendered_size(markdown)


@settings(max_examples=300)
@given(st.lists(st.sampled_from(PIECES), min_size=1, max_size=6).map("".join))
def test_the_count_holds_for_any_repeated_text(markdown):
    repeated = markdown * 40
    assert largest_form(repeated) <= rendered_size(repeated)


@bombs
def test_counting_takes_a_moment(name):
    with at_most(5):
        rendered_size(BOMBS[name](BODY_MAX))


@settings(max_examples=300)
@given(st.integers(0, 2**32))
def test_the_count_holds_for_any_mixture(seed):
    markdown = mixed_bomb(Random(seed), SIZE)
    assert largest_form(markdown) <= rendered_size(markdown)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_the_door_looks_at_any_mixture_as_long_as_at_a_text_of_its_length(seed):
    body = mixed_bomb(Random(seed), BODY_MAX)
    assert work(body) <= MOST_WORK * work(PLAIN)


@bombs
def test_the_door_looks_at_a_bomb_as_long_as_at_a_text_of_its_length(name):
    """Most of that is reading the event itself; a bomb is no more than a text."""
    assert work(BOMBS[name](BODY_MAX)) <= MOST_WORK * work(PLAIN)


def work(body: str) -> float:
    """Processor time of the door's checks, the least of some tries."""
    event = sample_event(body=body)
    return min(_seconds_of_checks(event) for _ in range(3))


def _seconds_of_checks(event) -> float:
    began = time.thread_time()
    with suppress(ContractError):
        read(from_structured(dumps(event)), DEFAULT)
    return time.thread_time() - began


async def test_each_bomb_is_refused_at_the_door_or_bounded(bus, clock):
    """422 names the field, 413 is an event too large; what is accepted is bounded when shown."""
    statuses = Counter()
    async with open_gateway(bus, clock) as door:
        for number, name in enumerate(BOMBS):
            clock.advance(60)
            body = BOMBS[name](BODY_MAX)
            answer = await door.post(
                sample_event(id=f"e-{number}", content_id=f"b-{number}", body=body)
            )
            statuses[answer.status_code] += 1
            if len(answer.request.content) > MAX_EVENT_BYTES:
                assert answer.status_code == 413, name
            elif rendered_size(body) > RENDERED_MAX:
                assert answer.status_code == 422, name
                assert [one["field"] for one in answer.json()["errors"]] == ["data.body"], name
            else:
                assert answer.status_code == 202 and largest_form(body) <= RENDERED_MAX, name
        stored = len(await door.stored_events())
    assert statuses.keys() == {202, 413, 422} and stored == statuses[202]


def calls_of(markdown: str) -> int:
    """Calls that parsing and rendering take: work that no clock blurs."""
    count = 0

    def profile(_frame, event, _argument):
        nonlocal count
        count += event in ("call", "c_call")

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        portal_html(markdown)
    finally:
        sys.setprofile(before)
    return count


@bombs
def test_the_work_grows_with_the_length(name):
    once, twice = (calls_of(BOMBS[name](size)) for size in (SIZE, 2 * SIZE))
    assert twice <= 2.6 * once
