"""kill -9 at every crash point, with everything real around it: one half of the quick set."""

import pytest

from tests.deep.crash.campaign import play
from tests.deep.crash.quick_set import runs

pytestmark = pytest.mark.timeout(400)


@pytest.mark.promise("3.2")
@pytest.mark.parametrize("hand", runs(0), ids=lambda hand: hand.seed)
def test_nothing_is_lost_and_nothing_doubled_whenever_it_dies(tmp_path, hand):
    report = play(hand.seed, hand.points, tmp_path / "folder")
    assert report.faults == [], f"seed {hand.seed}, died at {report.deaths}"
    assert sorted(report.deaths) == sorted(hand.points)
