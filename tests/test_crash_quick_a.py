"""kill -9 at every crash point, with everything real around it: one half of the quick set."""

import pytest

from tests.crash.campaign import play
from tests.crash.quick import hands

pytestmark = [pytest.mark.story, pytest.mark.timeout(400)]


@pytest.mark.parametrize("hand", hands(0), ids=lambda hand: hand.seed)
def test_nothing_is_lost_and_nothing_doubled_whenever_it_dies(tmp_path, hand):
    report = play(hand.seed, hand.points, tmp_path / "folder")
    assert report.faults == [], f"seed {hand.seed}, died at {report.deaths}"
    assert sorted(report.deaths) == sorted(hand.points)
