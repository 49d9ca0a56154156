"""Ten thousand random stories of people at one item keep every hard rule."""

import pytest

from tests.support.editorial_world import story

_STORIES, _PART = 10_000, 1_000


@pytest.mark.parametrize("first", range(0, _STORIES, _PART))
def test_ten_thousand_stories_keep_every_hard_rule(first):
    seeds = range(first, first + _PART)
    assert {seed: wrong for seed in seeds if (wrong := story(seed))} == {}
