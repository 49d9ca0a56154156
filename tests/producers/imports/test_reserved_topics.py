"""A topic that Loa fills itself is none of an import's; `test_gateway.py` has that of an event."""

import pytest

from contracts.vocabulary import DEFAULT
from producers.imports.visit import settings_error
from tests.support.import_planner import FEED


@pytest.mark.parametrize(
    ("topic", "code"),
    [
        ("dinh-chinh", "is filled by Loa itself"),
        ("khong-co", "is not a known topic"),
        ("canh-bao-khan", None),
        ("viec-lam", None),
    ],
)
def test_an_import_is_given_a_topic_that_units_may_use(topic, code):
    feed = FEED.model_copy(update={"topic": topic})
    found = settings_error("van-phong-bo", feed, DEFAULT)
    assert (found and found.field) == (code and "topic")
    assert code is None or code in found.message


def test_only_what_the_vocabulary_says_is_the_portals_own():
    assert [name for name in DEFAULT.topics if DEFAULT.is_reserved(name)] == ["dinh-chinh"]
    assert not DEFAULT.is_reserved("khong-co")
