"""kill -9 at every crash point, with everything real around it."""

import pytest

from tests.deep.crash.campaign import play
from tests.deep.crash.schedule import quick_runs

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.promise("3.2")
@pytest.mark.parametrize("hand", quick_runs(), ids=lambda hand: hand.seed)
def test_nothing_is_lost_and_nothing_doubled_whenever_it_dies(tmp_path, hand):
    report = play(hand.seed, hand.points, tmp_path / "folder")
    assert report.faults == [], f"seed {hand.seed}, died at {report.deaths}"
    assert sorted(report.deaths) == sorted(hand.points)
