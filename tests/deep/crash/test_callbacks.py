"""kill -9 in the life of a callback: each arrives, under one id, and in the order of its item."""

import json
from datetime import UTC, datetime

import pytest

from consumers.callbacks.status_store import StoredStatus
from contracts.facts.content_status import ContentStatus, StatusKind, status_fact
from tests.deep.crash.callback_check import callback_errors
from tests.deep.crash.campaign import play
from tests.deep.crash.scenarios import CALLBACK_POINTS

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.mark.promise("17.2")
def test_each_callback_arrives_in_order_whenever_loa_dies(tmp_path):
    report = play("callbacks", CALLBACK_POINTS, tmp_path / "folder")
    assert report.faults == [], report.deaths
    assert report.deaths == CALLBACK_POINTS


def told(*items: str) -> list[StoredStatus]:
    about = {"unit": "u", "kind": StatusKind.ACCEPTED, "at": NOW}
    statuses = [ContentStatus(content_id=item, **about) for item in items]
    facts = [status_fact(one, str(mark)) for mark, one in enumerate(statuses)]
    return [StoredStatus(seq, fact, b"", NOW) for seq, fact in enumerate(facts, 1)]


@pytest.mark.parametrize(
    ("arrived", "faults"),
    [
        ((0, 1, 2), 0),
        ((2, 0, 0, 1, 0), 0),
        ((0, 1), 1),
        ((1, 0, 2), 1),
        ((0, 1, 2, 3), 1),
        ((), 2),
    ],
)
def test_a_lost_a_foreign_and_a_disordered_callback_are_found(tmp_path, arrived, faults):
    facts, foreign = told("tin", "tin", "khac"), told("ai", "ai", "ai", "ai")[3:]
    ids = [one.fact.id for one in (*facts, *foreign)]
    record = tmp_path / "callbacks"
    record.write_text("".join(f"{json.dumps(ids[number])}\n" for number in arrived))
    assert len([*callback_errors(facts, record)]) == faults
