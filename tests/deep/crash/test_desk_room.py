"""kill -9 at each button of the desk: what was pressed once more was done once, and told once."""

import pytest

from tests.deep.crash.desk_room import CELLS, Faults, play

pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def faults(tmp_path_factory: pytest.TempPathFactory) -> Faults:
    return play(tmp_path_factory.mktemp("desk"))


@pytest.mark.promise("3.2")
@pytest.mark.parametrize("cell", CELLS, ids=str)
def test_each_act_is_done_once_and_told_once_whenever_loa_dies(faults, cell):
    assert faults[cell.story, cell.press] == []
