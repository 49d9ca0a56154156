"""Many faults on one cluster with Loa at work, a quiet end, and the crash campaign's judge."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from tests.deep.cluster.environment import DOORS, ClusterEnvironment
from tests.deep.cluster.faults import FAULTS, SERVER_FAULTS, Fault, Stage
from tests.deep.cluster.senders import Knocker, Sender, have_accepted, longest_pause, pauses
from tests.deep.crash.campaign import Campaign, Report
from tests.deep.crash.environment import CampaignFailed, wait
from tests.deep.crash.workload import Workload

TOGETHER = 0.6
"""How often a fault of a process meets one of a server."""
ACCEPTED_S = 120.0


@dataclass
class ClusterReport(Report):
    """As of one machine; and how long nothing was accepted, by kind of fault."""

    gaps_s: list[tuple[str, float]] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)  # services that ended by themselves


class ClusterCampaign(Campaign):
    """Goes through *faults* in turn, one of a server at a time."""

    report: ClusterReport

    def __init__(self, folder: Path, seed: str, faults: list[str], mutant: str = "") -> None:
        super().__init__(folder, seed, faults, mutant)
        self.report = ClusterReport(seed)

    def run(self) -> ClusterReport:
        with ClusterEnvironment(self.folder, self.mutant) as self.environment:
            try:
                self.prepare()
                for names in self.rounds():
                    self.play_round(names)
                self.end_senders()
                self.report.faults += self.verdict()
                self.report.judged = True
            except CampaignFailed as failed:
                self.report.faults.append(f"{self.current_folder()}: {failed}")
            finally:
                self.note_ends()
        return self.report

    def prepare(self) -> None:
        self.environment.begin_cluster()
        self.environment.begin_services()
        self.work = Workload(self.environment, self.rng)
        self.work.ground.prepare()
        self.stage = Stage(self.environment, self.rng, self.work)
        ground, seed = self.work.ground, self.report.seed
        self.knockers = [Knocker(self.environment, ground, seed, n) for n in range(len(DOORS))]
        self.senders = [*self.knockers, Sender(self.environment, ground, seed, len(DOORS) + 1)]
        for sender in self.senders:
            sender.start()
        self.wait_accepted()

    def rounds(self) -> Iterator[list[str]]:
        """The faults in their order; those of processes often while one of a server holds."""
        left = [*self.points]
        while left:
            names = [left.pop(0)]
            other = names[0] in SERVER_FAULTS
            if left and (left[0] in SERVER_FAULTS) != other and self.rng.random() < TOGETHER:
                names.append(left.pop(0))
            yield names

    def play_round(self, names: list[str]) -> None:
        """Begin the faults of a round, let them hold, heal them, and wait until all is whole."""
        began = time.monotonic()
        self.report.deaths += names
        with ExitStack() as faults:
            for name in names:
                if name in SERVER_FAULTS:
                    self.environment.note()
                self.begin(FAULTS[name], faults)
        self.environment.note()
        self.wait_accepted()
        self.environment.until_whole()
        gap_s, took_s = longest_pause(self.knockers, began), time.monotonic() - began
        struck = next((name for name in names if name in SERVER_FAULTS), names[0])
        self.report.gaps_s.append((struck, gap_s))
        if struck in SERVER_FAULTS:
            self.outages += pauses(self.knockers, began)
            self.troubles.append((time.time() - took_s, time.time()))
        with (self.folder / "rounds").open("a") as told:
            print(f"{'+'.join(names)}: gap {gap_s:.1f} s, {took_s:.1f} s", file=told)

    def begin(self, fault: Fault, faults: ExitStack) -> None:
        faults.enter_context(fault.way(self.stage))
        end = time.monotonic() + self.rng.uniform(*fault.holds_s)
        while (left := end - time.monotonic()) > 0:
            self.environment.tend()
            time.sleep(min(left, 0.1))

    def wait_accepted(self) -> None:
        """Wait until an event is accepted that is sent from now on, at the latest."""
        now = time.monotonic()

        def accepted() -> bool:
            self.environment.tend()
            if ended := [one.error for one in self.senders if one.error]:
                raise CampaignFailed(f"a sender ended by {ended[0]!r}")
            return have_accepted(self.knockers, now)

        wait(accepted, "an acceptance", ACCEPTED_S)

    def end_senders(self) -> None:
        """Stop all senders and judge their events together."""
        for sender in self.senders:
            sender.stopped.set()
        for sender in self.senders:
            sender.end()
            self.work.sent += sender.work.sent

    def quiet_start(self) -> None:
        """Wait until everything runs; each process that is down is restarted at any time."""
        self.environment.until_whole()

    def note_ends(self) -> None:
        for service in self.environment.services.values():
            self.report.ends += [f"{service.name}: {code}" for code in service.ends]


def play(seed: str, faults: list[str], folder: Path, mutant: str = "") -> ClusterReport:
    """One campaign on a fresh cluster."""
    folder.mkdir(parents=True)
    return ClusterCampaign(folder, seed, faults, mutant).run()
