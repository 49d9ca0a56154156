"""kill -9 in the life of a trial: each guest gets it once, and nothing of it is anywhere else."""

import pytest

from tests.deep.crash.campaign import play
from tests.deep.crash.scenarios import TRIAL_POINTS


@pytest.mark.promise("16.1")
def test_each_guest_gets_a_trial_once_whenever_it_dies(tmp_path):
    report = play("trials", TRIAL_POINTS, tmp_path / "folder")
    assert report.faults == [], report.deaths
    assert report.deaths == TRIAL_POINTS
