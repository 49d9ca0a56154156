"""The last line of a run promises no more than what was judged."""

import argparse
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from tests.deep.crash import __main__ as runner
from tests.deep.crash.campaign import Campaign, Report
from tests.deep.crash.environment import CampaignFailed
from tests.deep.crash.schedule import CampaignRun

HAND = CampaignRun(0, "s.0", ["gateway.read"])


def ended(*faults: str, kills: int = 33, judged: bool = True) -> Report:
    return Report("s", deaths=["gateway.read"] * kills, faults=list(faults), judged=judged)


def test_a_run_that_was_judged_to_its_end_says_its_bound(capsys):
    assert runner.verdict([ended(), ended()], 66) == 0
    assert capsys.readouterr().out == (
        "66 kills, 0 lost, 0 undeclared duplicates, bound 3/n = 4.55 %\n"
    )


def test_faults_are_counted_by_their_kind_and_the_exit_code_tells(capsys):
    assert runner.verdict([ended("lost: a", "undeclared duplicate: b", "order: c")], 33) == 1
    assert capsys.readouterr().out == (
        "1 other failures\n33 kills, 1 lost, 1 undeclared duplicates, bound 3/n = 9.09 %\n"
    )


@pytest.mark.parametrize(
    "reports",
    [
        [ended(), ended("after gateway.read: dead.buried was not reached", kills=5, judged=False)],
        [ended(), runner.crashed_report(HAND, KeyError("x"))],
        [ended()],
    ],
)
def test_a_run_that_was_not_judged_to_its_end_says_so_last(capsys, reports):
    assert runner.verdict(reports, 66) == 1
    assert capsys.readouterr().out.splitlines()[-1] == "INCOMPLETE: 33 of 66 kills judged"


def test_the_runner_s_own_failure_is_told_with_its_traceback():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        [fault] = runner.crashed_report(HAND, pool.submit(cancelled).exception()).faults
    assert "in cancelled" in fault
    assert "CancelledError" in fault


def cancelled() -> None:
    """As a client whose connection is closed while it waits."""
    import asyncio

    raise asyncio.CancelledError


def test_a_failure_names_the_folder_and_how_to_repeat_it():
    wanted = argparse.Namespace(kills=66, seed="s", point=None)
    said = runner.failure("lost: a", HAND, wanted)
    assert "seed s.0" in said
    assert "make crash ARGS='66 --seed s --only 0'" in said


def test_a_campaign_that_fails_on_its_way_is_not_judged(tmp_path, monkeypatch):
    def nothing_works(_: Campaign) -> None:
        raise CampaignFailed("nothing works")

    monkeypatch.setattr(Campaign, "die_at_first_start", nothing_works)
    report = Campaign(tmp_path, "s", ["gateway.read"]).run()
    assert report.faults == ["at the start: nothing works"]
    assert not report.judged
