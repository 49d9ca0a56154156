"""kill -9 between a page's POST and its answer: the same button, pressed once more, did it once."""

import pytest

from tests.deep.crash.desk_room import QUICK, play

pytestmark = pytest.mark.timeout(300)


@pytest.mark.promise("3.2")
def test_each_act_is_done_once_and_told_once_whenever_its_answer_is_lost(tmp_path):
    assert play(tmp_path, QUICK) == []
