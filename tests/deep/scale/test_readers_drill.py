"""The drill of many readers, with a few: every step, and what it asks of memory."""

import pytest

from bench import loa
from bench.tools import Missing, tool
from tests.deep.scale.readers_drill import SMALL, Drill, compare, run

READERS, MAILS = 1_200, 700
STEPS = {
    *("import (Loa)", "loa subscribers", "directory behind", SMALL, "planning", "mails"),
    *("loa status", "loa trace", "loa check", "loa backup", "backup (Loa)", "start"),
    *("loa restore", "loa rebuild", "loa mail"),
}


def test_a_backup_of_half_a_mailing_comes_back_and_each_reader_is_accounted_for(
    tmp_path, monkeypatch
):
    try:
        tool("smtp-sink")
    except Missing as missing:
        pytest.skip(str(missing).splitlines()[0])
    monkeypatch.setattr(loa, "ROOT", tmp_path)
    drill = Drill(READERS, 50, MAILS)
    run(drill)
    assert {step.name for step in drill.steps} >= STEPS
    assert all(step.own.peak_bytes for step in drill.steps)
    rest = drill.told["delivered"] + drill.told["not_sent"]
    assert (rest, drill.told["in_logs"]) == (READERS - drill.reached, (READERS + 1) // 2)
    small, large = drill.rates
    assert 0 < large.first_s < drill.took_s("mails")
    assert min(small.whole, large.whole, large.early, drill.longest_gap_s) > 0
    assert drill.took_s("loa restore") < drill.took_s("loa restore", "loa mail")
    assert len(list(compare(drill))) == 6
