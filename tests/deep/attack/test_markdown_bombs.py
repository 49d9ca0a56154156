"""Bodies that ask for as much as they can: bounded when shown, in work that grows evenly."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.base.markdown_size import RENDERED_MAX, rendered_size
from tests.support.markdown_bombs import BODY_MAX, BOMBS
from tests.support.processor_time import at_most
from tests.support.rendered_forms import PIECES, largest_form, portal_html

SIZE = 1_000
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
