"""Ten thousand random stories of people at one item keep every hard rule.

In every other one the people have accounts whose roles are given and taken meanwhile.
"""

import pytest

from tests.support.editorial_world import story
from tests.support.staffed_world import staffed_story

_STORIES, _PART = 10_000, 1_000


@pytest.mark.parametrize("first", range(0, _STORIES, _PART))
def test_ten_thousand_stories_keep_every_hard_rule(first):
    seeds = range(first, first + _PART)
    told = ((seed, staffed_story(seed) if seed % 2 else story(seed)) for seed in seeds)
    assert {seed: wrong for seed, wrong in told if wrong} == {}
