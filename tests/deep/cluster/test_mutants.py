"""The campaign would notice: a Loa with a planted mistake is found guilty."""

import pytest

from tests.deep.cluster.campaign import play
from tests.deep.cluster.mutants import MUTANTS

pytestmark = pytest.mark.timeout(900)
FOUND = {
    "plan-by-a-stale-copy": (["freeze-copy"] * 3, "readers are not in"),
    "swap-on-a-followers-value": (["freeze-worker"] * 3, "order:"),
}


@pytest.mark.promise("3.3")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_mistake_in_reading_from_a_cluster_is_found(tmp_path, mutant):
    faults, word = FOUND[mutant]
    report = play("mutant", faults, tmp_path / "folder", mutant)
    assert [fault for fault in report.faults if word in fault], report
