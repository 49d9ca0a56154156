"""The campaign would notice: a Loa with a planted mistake is killed, and found guilty."""

import pytest

from tests.deep.crash.campaign import play
from tests.deep.crash.mutants import MUTANTS

pytestmark = pytest.mark.timeout(900)
FOUND = {
    "forget-doubts": (["deliver.answered", "email.mail_settled"], "undeclared duplicate"),
    "declare-everything": (["deliver.closed"], "declared too much"),
    "acknowledge-first": (["intake.fetched", "intake.position_opened"], "lost"),
    "create-again": (["zalo.created"], "undeclared duplicate"),
    "tell-again": (["zalo.notice_answered"] * 2, "undeclared duplicate"),
    "broadcast-again": (["zalo.broadcast_answered"] * 2, "undeclared duplicate"),
    "trust-the-index": (["portal.committed"] * 6, "page"),
    "ignore-withdrawals": (["fence.cursor_halted"], "after withdrawal"),
    "answer-first": (["gateway.claimed", "gateway.event_booked"], "lost"),
    "forget-counts": (["ledger.rows_removed"], "lost: the counts"),
    "refuse-once": (["intake.refused"], "is no dead letter"),
    "keep-the-position-first": (["facts.decided"] * 3, "check: fact-wrong"),
}


@pytest.mark.promise("3.3")
@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_planted_mistake_is_found(tmp_path, mutant):
    points, word = FOUND[mutant]
    report = play("mutant", points, tmp_path / "folder", mutant)
    assert len(report.deaths) == len(points), report.faults
    assert [fault for fault in report.faults if word in fault], report
