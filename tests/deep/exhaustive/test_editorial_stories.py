"""Ten thousand random stories of people at one item keep every hard rule."""

from tests.support.editorial_world import story

_STORIES = 10_000


def test_ten_thousand_stories_keep_every_hard_rule():
    assert {seed: wrong for seed in range(_STORIES) if (wrong := story(seed))} == {}
