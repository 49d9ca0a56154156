"""A seeded model runs the product's own delivery code in virtual time; see `tests/model`."""

import os
import subprocess
import sys
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from consumers.sweep import GRACE_S
from contracts import subjects
from tests.model import campaign
from tests.model.__main__ import commit
from tests.model.bugs import BUGS, HARMLESS, RARE, planted
from tests.model.campaign import Result
from tests.model.coverage import unseen

ROOT = Path(__file__).parent.parent
PARTS, SHARE = 4, 500
CATCH_WITHIN = 2000


@cache
def part(number: int) -> Result:
    return campaign.run(range(number * SHARE, (number + 1) * SHARE))


@pytest.mark.parametrize("number", range(PARTS))
def test_no_seed_breaks_a_promise(number):
    """Replay one by `python -m tests.model 1 --start SEED --trace`."""
    found = [f"seed {seed}: {rule}: {detail}" for seed, rule, detail in part(number).violations]
    assert not found, f"commit {commit()}"


def test_the_model_sees_every_kind_of_fault_and_every_step():
    """Over all seeds of the test above: a model that is blind proves nothing."""
    whole = campaign.joined(part(number) for number in range(PARTS))
    assert not unseen(whole.seen)


@pytest.mark.parametrize("name", sorted(BUGS.keys() - HARMLESS.keys() - RARE.keys()))
def test_a_planted_bug_is_caught(name):
    with planted(name):
        result = campaign.run(range(CATCH_WITHIN), stop_after=1)
    assert result.violations, f"{name} survives {CATCH_WITHIN} seeds"


def test_what_does_no_harm_or_is_seen_elsewhere_is_explained():
    assert BUGS.keys() >= HARMLESS.keys() | RARE.keys()
    assert timedelta(seconds=GRACE_S) >= subjects.DELIVER.duplicate_window
    for name in RARE.values():
        path, _, test = name.partition("::")
        assert f"async def {test}(" in (ROOT / path).read_text("utf-8")


@pytest.mark.parametrize("hash_seed", ["0", "4711"])
def test_a_seed_tells_the_same_story_again(hash_seed):
    seeds = range(40, 60)
    said = subprocess.run(
        [sys.executable, "-m", "tests.model", str(len(seeds)), "--start", str(seeds[0])],
        cwd=ROOT, env=os.environ | {"PYTHONHASHSEED": hash_seed},
        capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    assert f"fingerprint {campaign.run(seeds).digest};" in said.stdout
