"""The campaign would notice: a Loa with a planted mistake is killed, and found guilty."""

import pytest

from tests.deep.crash.campaign import play
from tests.deep.crash.mutants import MUTANTS

pytestmark = pytest.mark.timeout(300)
FOUND = {
    "forget_doubts": (["deliver.answered", "email.mail_settled"], "undeclared duplicate"),
    "declare_everything": (["deliver.closed"], "declared too much"),
    "acknowledge_first": (["intake.fetched", "intake.position_opened"], "lost"),
    "create_again": (["zalo.created", "zalo.created"], "undeclared duplicate"),
    "tell_again": (["zalo.notice_answered"] * 2, "undeclared duplicate"),
    "broadcast_again": (["zalo.broadcast_answered"] * 2, "undeclared duplicate"),
    "trust_the_index": (["portal.committed"] * 6, "page"),
    "ignore_withdrawals": (["fence.cursor_halted"], "after withdrawal"),
    "answer_first": (["gateway.claimed", "gateway.event_booked"], "lost"),
    "refuse_once": (["intake.refused"], "is no dead letter"),
}


@pytest.mark.promise("3.3")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_mistake_is_found(tmp_path, mutant):
    points, word = FOUND[mutant]
    report = play("mutant", points, tmp_path / "folder", mutant)
    assert len(report.deaths) == len(points), report.faults
    assert [fault for fault in report.faults if word in fault], report
