"""A body that would be too large when shown is refused at the door, and told why."""

import pytest

from contracts.base.markdown_size import RENDERED_MAX, rendered_size
from contracts.testing import ContractBroken, check_event, sample
from tests.support.markdown_bombs import BODY_MAX, BOMBS
from tests.support.processor_time import at_most

REFUSED = (
    *("a reference used often", "a picture used often", "a title of many lines"),
    *("a quoted definition", "a bracket in a label", "two addresses in one word"),
    *("a wide table with short rows", "lines that continue a deep quotation"),
    *("lines that continue a deep list", "line breaks by reference", "fences", "code"),
    *("relative links", "deep lists", "quotations"),
)


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_grows_is_refused_and_its_size_and_the_limit_named(name):
    with pytest.raises(ContractBroken) as refused:
        check_event(sample(body=BOMBS[name](BODY_MAX)))
    [error] = refused.value.errors
    assert (refused.value.status, error.field) == (422, "data.body")
    for text in (error.message, error.message_vi):
        size, limit = (int(word) for word in text.split() if word.isdecimal())
        assert size > limit == RENDERED_MAX // 1024


@pytest.mark.parametrize("kind", ["submitted", "corrected"])
def test_the_longest_plain_text_is_accepted(kind):
    check_event(sample(kind, body="Bộ Nội vụ & " * 8_000))


def test_counting_takes_a_moment_for_any_text():
    """Milliseconds: an expression that goes back over the text at each character takes a minute."""
    with at_most(10):
        rendered_size(BOMBS["an address without an end"](BODY_MAX))
