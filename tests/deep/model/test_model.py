"""A seeded model runs the product's own delivery code in virtual time; see `tests/deep/model`."""

import os
import re
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from consumers.operations.sweep import GRACE_S
from contracts import subjects
from tests.deep.model import campaign
from tests.deep.model.__main__ import commit
from tests.deep.model.bugs import BUGS, CLUSTER_BUGS, HARMLESS, RARE
from tests.deep.model.campaign import Result
from tests.deep.model.coverage import unseen

ROOT = Path(__file__).parents[3]
PARTS, SHARE = 4, 500
CATCH_WITHIN = 2000
FOUND_BY = {
    "acknowledged-before-scheduled": 167,
    "any-owner-is-ours": 103,
    "busy-wake-up-swallowed": 22,
    "directory-behind": 57,
    "doubt-cleared-too-early": 34,
    "monotonic-only": 38,
    "no-head-fence": 26,
    "no-settle": 135,
    "overtaken-all-the-same": 256,
    "sweeper-asleep": 21,
    "sweeper-shy-of-broken-channels": 73,
}
"""Of the bugs that many seeds miss: the first one that finds it, which is run before the others."""


@cache
def part(number: int) -> Result:
    return campaign.run(range(number * SHARE, (number + 1) * SHARE))


@pytest.mark.promise("3.2", "3.5", "3.7", "3.8", "7.1")
@pytest.mark.parametrize("number", range(PARTS))
def test_no_seed_breaks_a_promise(number):
    """Replay one by `python -m tests.deep.model 1 --start SEED --trace`."""
    wrong = [f"seed {seed}: {rule}: {detail}" for seed, rule, detail in part(number).violations]
    assert not wrong, f"commit {commit()}"


def test_the_model_sees_every_kind_of_fault_and_every_step():
    """Over all seeds of the test above: a model that is blind proves nothing."""
    whole = campaign.joined(part(number) for number in range(PARTS))
    assert not unseen(whole.seen)


@pytest.mark.promise("3.3")
@pytest.mark.parametrize("name", sorted(BUGS.keys() - HARMLESS.keys() - RARE))
def test_a_planted_bug_is_caught(name):
    with BUGS.planted(name):
        seeds = (FOUND_BY.get(name, 0), *range(CATCH_WITHIN))
        result = campaign.run(seeds, stop_after=1)
    assert result.violations, f"{name} survives {CATCH_WITHIN} seeds"


@pytest.mark.promise("3.2")
def test_no_seed_breaks_a_promise_on_a_cluster_whose_replicas_are_behind():
    result = campaign.run(range(SHARE), is_clustered=True)
    wrong = [f"seed {seed}: {rule}: {detail}" for seed, rule, detail in result.violations]
    assert not wrong, f"commit {commit()}"
    assert result.seen["a replica was behind"] > SHARE


@pytest.mark.promise("3.3")
@pytest.mark.parametrize("name", sorted(CLUSTER_BUGS))
def test_a_decision_on_what_a_replica_has_is_caught(name):
    with CLUSTER_BUGS.planted(name):
        result = campaign.run(range(CATCH_WITHIN), stop_after=1, is_clustered=True)
    assert result.violations, f"{name} survives {CATCH_WITHIN} seeds"


def test_what_does_no_harm_or_is_seen_elsewhere_is_explained():
    assert BUGS.keys() >= HARMLESS.keys() | RARE
    assert timedelta(seconds=GRACE_S) >= subjects.DELIVER.duplicate_window


WITH_A_BUG = """
import sys, pytest

class PlantBug:
    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_call(self):
        from tests.deep.model.bugs import BUGS  # pytest wants to be there first

        with BUGS.planted(sys.argv[1]):
            return (yield)

sys.exit(pytest.main(["-q", "-p", "no:cacheprovider", *sys.argv[2:]], plugins=[PlantBug()]))
"""


def run_with(bug: str, tests: str, named: str = "mark.catches(") -> tuple[int, str]:
    """Run the tests with this marker while *bug* is planted: exit code and output.

    Only files with the text *named* are collected: collecting takes longer than the tests.
    """
    files = [path for path in ROOT.glob("tests/**/test_*.py") if named in path.read_text()]
    command = [sys.executable, "-c", WITH_A_BUG, bug, "-m", tests, *files]
    ran = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=500, check=False
    )
    return ran.returncode, ran.stdout + ran.stderr


@pytest.mark.promise("3.3")
@pytest.mark.parametrize("name", sorted(RARE))
def test_a_bug_that_the_model_seldom_meets_is_caught_by_a_test_of_its_own(name):
    code, output = run_with(name, f"catches(bug={name!r})", f'mark.catches(bug="{name}")')
    assert code == pytest.ExitCode.TESTS_FAILED, f"{name} survives:\n{output}"
    ending = output.splitlines()[-1]
    assert re.search(r"\d failed", ending), output
    assert "error" not in ending, f"not the bug, but the set-up failed:\n{output}"


def test_those_tests_pass_with_a_bug_that_does_no_harm():
    code, output = run_with("no-renewal", "catches")
    assert code == pytest.ExitCode.OK, output


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_seed_tells_the_same_story_again(hash_seed):
    seeds = range(40, 60)
    command = subprocess.run(
        [sys.executable, "-m", "tests.deep.model", str(len(seeds)), "--start", str(seeds[0])],
        cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True, text=True, timeout=500, check=True,
    )  # fmt: skip
    assert f"fingerprint {campaign.run(seeds).digest};" in command.stdout
