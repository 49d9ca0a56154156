"""The last line of a run promises no more than what was judged."""

import pytest

from tests.deep.crash import __main__ as runner
from tests.deep.crash.campaign import Report
from tests.deep.crash.schedule import CampaignRun


def ended(*faults: str, kills: int = 33, judged: bool = True) -> Report:
    return Report("s", deaths=["gateway.read"] * kills, faults=list(faults), judged=judged)


FAULTY = ended("lost: a", "undeclared duplicate: b", "order: c")
STUCK = ended("after gateway.read: dead.buried was not reached", kills=5, judged=False)
FAILED = runner.crashed_report(CampaignRun(0, "s.0", ["gateway.read"]), KeyError("x"))
INCOMPLETE = "INCOMPLETE: 33 of 66 kills judged"


@pytest.mark.parametrize(
    ("reports", "code", "lines"),
    [
        ([ended()] * 2, 0, "66 kills, 0 lost, 0 undeclared duplicates, bound 3/n = 4.55 %"),
        ([ended(), FAULTY], 1, "66 kills, 1 lost, 1 undeclared duplicates, bound 3/n = 4.55 %"),
        ([ended(), STUCK], 1, INCOMPLETE),
        ([ended(), FAILED], 1, INCOMPLETE),
        ([ended()], 1, INCOMPLETE),
    ],
)
def test_the_last_line_and_the_exit_code_tell_what_was_judged(capsys, reports, code, lines):
    assert runner.verdict(reports, 66) == code
    assert capsys.readouterr().out.splitlines()[-1] == lines
