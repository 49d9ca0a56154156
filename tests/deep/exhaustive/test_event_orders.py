"""Events and decisions in every order: nothing older after something newer, nothing once barred."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import permutations

import pytest

from contracts.delivery import ChannelName
from contracts.editorial import ActionKind
from contracts.errors import ContractError
from tests.support.decisions import approve_item
from tests.support.events import (
    UNIT,
    carry_out_acts,
    corrected,
    open_drafts,
    register_unit,
    submitted,
    withdrawn,
)
from tests.support.pipeline_harness import PipelineHarness

CLERK = "Trần Thị Bình"
EVERYBODY = {
    ChannelName.EMAIL: ("r1", "r2", "r3"),
    ChannelName.PORTAL: ("portal",),
    ChannelName.ZALO: ("article", "broadcast"),
}


@dataclass
class ExpectedEffects:
    """Expected effects of one order of operations, by the rules and nothing else."""

    taken: set[int] = field(default_factory=set)
    waiting: set[int] = field(default_factory=set)
    barred: int = 0
    newest: int = 0  # released
    releases: list[tuple[int, str]] = field(default_factory=list)
    shown: int = 0  # the revision that the public sees

    def hand_in(self, revision: int, *, desk: bool) -> None:
        if revision in self.taken or revision <= max(self.newest, self.barred, *self.waiting, 0):
            return
        if revision > 1 and not self.taken:  # there is nothing to correct
            return
        self.taken.add(revision)
        self.waiting = {revision} if desk else set()
        if not desk:
            self.show(revision)

    def show(self, revision: int) -> None:
        self.newest = self.shown = revision
        self.releases.append((revision, "text"))

    def approve(self, revision: int) -> None:
        if revision in self.waiting:
            self.waiting.discard(revision)
            self.show(revision)

    def withdraw(self) -> None:
        if not self.taken:
            return
        self.barred = max(self.taken) + 1
        self.taken.add(self.barred)
        self.waiting = set()
        if self.shown:
            self.newest, self.shown = self.barred, 0
            self.releases.append((self.barred, "withdrawal"))


Step = tuple[Callable[[PipelineHarness, str], Awaitable[object]], Callable[[ExpectedEffects], None]]


def text(revision: int, *, desk: bool) -> Step:
    def event(item: str):
        return submitted(item) if revision == 1 else corrected(item, revision)

    return (
        lambda loa, item: loa.intake.handle(event(item), UNIT),
        lambda expected: expected.hand_in(revision, desk=desk),
    )


async def approve_revision(loa: PipelineHarness, item: str, revision: int) -> None:
    """Approve what a clerk read of a revision, if it came."""
    _, acts = await loa.desk.log.history(item)
    arrivals = [act for act in acts if act.kind is ActionKind.RECEIVE]
    for read in [act.hash for act in arrivals if act.revision == revision]:
        await approve_item(loa.desk, item, CLERK, hash=read)


def approval(revision: int) -> Step:
    return (
        lambda loa, item: approve_revision(loa, item, revision),
        lambda expected: expected.approve(revision),
    )


WITHDRAWAL: Step = (
    lambda loa, item: loa.intake.handle(withdrawn(item), UNIT),
    ExpectedEffects.withdraw,
)

BY_THE_DESK = {
    "first": text(1, desk=True),
    "correction": text(2, desk=True),
    "approve-first": approval(1),
    "approve-correction": approval(2),
    "withdraw": WITHDRAWAL,
}
AT_ONCE = {
    "first": text(1, desk=False),
    "second": text(2, desk=False),
    "third": text(3, desk=False),
    "fifth": text(5, desk=False),
    "withdraw": WITHDRAWAL,
}


@pytest.fixture
async def pipeline(bus, tmp_path):
    return PipelineHarness(bus, tmp_path)


async def carry_out(loa: PipelineHarness, item: str, step: Step, expected: ExpectedEffects) -> None:
    """One operation; that it is refused where the rules refuse it is part of the game."""
    try:
        await step[0](loa, item)
    except ContractError as refusal:
        assert refusal.errors
    step[1](expected)


async def check_releases(loa: PipelineHarness, item: str, expected: ExpectedEffects) -> None:
    """PUBLICATIONS holds what the rules say, in order; the desk what still waits."""
    found = [
        (
            one.publication.revision,
            "withdrawal" if one.publication.action == "withdrawn" else "text",
        )
        for one in await loa.released(item)
    ]
    assert found == expected.releases
    await carry_out_acts(loa.intake, item)
    drafts = [one.rpartition(".") for one in await open_drafts(loa.bus)]
    waiting = {int(number) for name, _, number in drafts if name == item}
    assert waiting == expected.waiting


def check_effects(loa: PipelineHarness, item: str, expected: ExpectedEffects) -> None:
    """Each reader saw each revision at most once, in order, and last what the rules say."""
    last = expected.releases[-1][0] if expected.releases else 0
    for name, happened in loa.effects_of(item).items():
        for who in EVERYBODY[name]:
            mine = [number for number, recipient in happened if recipient == who]
            assert mine == sorted(set(mine)), f"{item} {name} {who}: {mine}"
            assert set(mine) <= {number for number, _ in expected.releases}
            if who != "broadcast":
                assert (mine[-1] if mine else 0) == (last if reached(mine, expected) else 0)
            assert who != "broadcast" or len(mine) <= 1


def reached(mine: list[int], expected: ExpectedEffects) -> bool:
    """A withdrawal is told to those who got something, on the portal as elsewhere."""
    return bool(mine) or bool(expected.shown)


@pytest.mark.promise("7.1")
@pytest.mark.parametrize("operations", [BY_THE_DESK, AT_ONCE], ids=["by the desk", "at once"])
async def test_delivered_after_each_operation_every_order_is_right(bus, pipeline, operations):
    await register_unit(bus, release="desk" if operations is BY_THE_DESK else "automatic")
    endings = set()
    for number, order in enumerate(permutations(operations)):
        item, expected = f"tin-{number}", ExpectedEffects()
        for name in order:
            await carry_out(pipeline, item, operations[name], expected)
            await pipeline.deliver(item)
            check_effects(pipeline, item, expected)
        await check_releases(pipeline, item, expected)
        endings.add(tuple(expected.releases))
    assert len(endings) >= 4, "the orders really differ in what comes of them"


@pytest.mark.promise("7.1")
@pytest.mark.parametrize("operations", [BY_THE_DESK, AT_ONCE], ids=["by the desk", "at once"])
async def test_delivered_together_and_newest_first_every_order_is_right(bus, pipeline, operations):
    """Planners get publications in the wrong order, and then everything once more."""
    await register_unit(bus, release="desk" if operations is BY_THE_DESK else "automatic")
    for number, order in enumerate(permutations(operations)):
        item, expected = f"tin-{number}", ExpectedEffects()
        for name in order:
            await carry_out(pipeline, item, operations[name], expected)
        await check_releases(pipeline, item, expected)
        await pipeline.deliver(item, backwards=True)
        check_effects(pipeline, item, expected)
        if number % 6 == 0:
            before = pipeline.effects_of(item)
            await pipeline.deliver(item, again=True)
            assert pipeline.effects_of(item) == before, "delivering again changes nothing"
