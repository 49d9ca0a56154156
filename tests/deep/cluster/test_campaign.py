"""Faults of every kind in a cluster with Loa at work, and the crash campaign's judge."""

import pytest

from tests.deep.cluster.campaign import play
from tests.deep.cluster.schedule import QUICK

pytestmark = pytest.mark.timeout(1800)


@pytest.mark.promise("1.7")
def test_nothing_is_lost_and_nothing_doubled_in_a_cluster_whatever_fails(tmp_path):
    report = play("quick", QUICK, tmp_path / "folder")
    assert report.faults == [], f"after {report.deaths}"
    assert (report.judged, report.deaths) == (True, QUICK)
