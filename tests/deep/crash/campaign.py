"""Many deaths on one folder, one quiet start at the end, and then the judge."""

import logging
import random
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from consumers.digests.store import DigestStore
from consumers.ledger import codec
from consumers.trials.store import TrialStore
from contracts import subjects
from contracts.subscriptions.digest import FREQUENCIES
from producers.bus import Bus
from tests.deep.crash.callback_check import missed_callbacks
from tests.deep.crash.environment import PUBLIC_URL, CampaignFailed, Environment, wait
from tests.deep.crash.evidence import ReceiverRecords, read_snapshot, restore_removed
from tests.deep.crash.ledger_oracle import judge
from tests.deep.crash.mail_check import trial_errors
from tests.deep.crash.receiver import read_record
from tests.deep.crash.scenarios import BIRTH, WAYS, Scenario, publish_mixture
from tests.deep.crash.setup import GUESTS, UNIT
from tests.deep.crash.workload import Workload

RANDOM = "random"
"""Not a point: kill -9 from outside, at any moment."""
BUS = "nats-server"
"""Not a point either: kill -9 of the embedded server alone, at any moment."""
REACHED_S = 200.0
COMPLETE_S = 900.0
NUDGE_S = 0.25
TRIES = 5
CANARY_S = (0.0, 0.0, 0.0, 2.0)
"""How often the channels of a folder are tried: in one folder of four all the time."""
KILLED = -9


@dataclass
class Report:
    """Findings of a campaign: deaths by point, and every error."""

    seed: str
    deaths: list[str] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    judged: bool = False  # whether it came to its end, and ledger and receivers were compared


class Campaign:
    """Dies at each of *points* in turn, restarting on the same folder."""

    def __init__(self, folder: Path, seed: str, points: list[str], mutant: str = "") -> None:
        self.rng = random.Random(seed)
        self.points = points
        self.report = Report(seed)
        self.folder = folder
        self.mutant = mutant
        self.outages: list[tuple[float, float]] = []  # of the bus, while Loa ran
        self.troubles: list[tuple[float, float]] = []  # of one of its servers
        self.canary_s = 0.0 if mutant else self.rng.choice(CANARY_S)

    def run(self) -> Report:
        with Environment(self.folder, self.mutant, self.canary_s) as self.environment:
            self.work = Workload(self.environment, self.rng)
            try:
                self.die_at_first_start()
                for point in self.points:
                    self.die_at(point)
                self.report.faults += self.verdict()
                self.report.judged = True
            except CampaignFailed as failed:
                self.report.faults.append(f"{self.current_folder()}: {failed}")
        return self.report

    def current_folder(self) -> str:
        """The crash points around the moment at which something went wrong."""
        return f"after {self.report.deaths[-1]}" if self.report.deaths else "at the start"

    def die_at_first_start(self) -> None:
        """The first start of a folder; it may die while it makes its key."""
        if BIRTH in self.points:
            self.points = [point for point in self.points if point != BIRTH]
            self.environment.up(BIRTH)
            self.wait_for_death(BIRTH, WAYS["run.announced"])
        self.quiet_start()
        self.work.ground.prepare()

    def quiet_start(self) -> None:
        """Start a Loa that is not killed, unless one runs."""
        if (
            self.environment.process
            and not self.environment.dead
            and self.environment.armed[0] == "-"
        ):
            return
        self.environment.kill()
        self.environment.up()
        if not self.environment.ready():
            raise CampaignFailed("an unarmed Loa died")
        self.resume()

    def resume(self) -> None:
        """Do as people do when Loa is back."""
        if self.work.ground.consent:
            self.work.ground.connect()
        self.work.repeat()

    # --- dying

    def die_at(self, point: str) -> None:
        outside = {RANDOM: self.die_somewhere, BUS: self.lose_the_bus}
        if point in outside:
            outside[point]()
            return
        way = WAYS[point]
        if way.first:
            self.die_twice(point, way)
            return
        if way.command:
            self.die_in_command(point, way)
            return
        self.environment.kill()
        self.work.begin()
        if way.before:
            way.before(self.work)
        self.environment.up(point, self.rng.randint(1, way.hits))
        self.wait_for_death(point, way)
        if way.after:
            way.after(self.work)

    def die_twice(self, point: str, way: Scenario) -> None:
        """Die at the first point, and at the second while starting again.

        What the first death left may be done before the second point looks for it: then once more.
        """
        for _ in range(TRIES):
            self.die_at(way.first)
            self.report.deaths.pop()  # only the way there: a run's count stays what was asked for
            known = len(self.environment.deaths)
            self.environment.up(point)
            if not self.environment.ready():
                self.note(point, known)
                return
            self.resume()
        raise CampaignFailed(f"{point} was not reached")

    def wait_for_death(self, point: str, way: Scenario) -> None:
        """Nudge until the process is gone; it has to have died where it was told to."""
        known, end = len(self.environment.deaths), time.monotonic() + REACHED_S
        if self.environment.ready():
            self.resume()
        while not self.environment.dead:
            if time.monotonic() > end:
                raise CampaignFailed(f"{point} was not reached")
            if not self.work.unanswered():
                way.trigger(self.work)
            self.work.repeat()
            self.wait_dead(NUDGE_S)
        self.note(point, known)

    def wait_dead(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end and not self.environment.dead:
            time.sleep(0.01)

    def note(self, point: str, known: int) -> None:
        if self.environment.deaths[known:] != [point]:
            raise CampaignFailed(f"ended at {self.environment.deaths[known:]}, and not at {point}")
        self.report.deaths.append(point)

    def die_in_command(self, point: str, way: Scenario) -> None:
        """A command dies beside a Loa that lives, and is given again."""
        assert way.command
        if way.alone:
            self.environment.kill()
        else:
            self.quiet_start()
        known, command = len(self.environment.deaths), way.command(self.work)
        code = self.environment.run(*command, point=point)
        if code != KILLED:
            raise CampaignFailed(f"{point} was not reached: {command} ended with {code}")
        self.note(point, known)
        self.work.again(command)

    def die_somewhere(self) -> None:
        """kill -9 in the middle of a mixed day."""
        self.environment.kill()
        self.environment.up()
        self.work.begin()
        if self.environment.ready():
            self.resume()
        end = time.monotonic() + self.rng.uniform(0, 1.0)
        while time.monotonic() < end:
            publish_mixture(self.work)
            self.work.repeat()
        self.environment.kill()
        self.report.deaths.append(RANDOM)

    def lose_the_bus(self) -> None:
        """kill -9 of the server in the middle of a mixed day, which goes on."""
        self.quiet_start()
        for _ in range(self.rng.randint(1, 4)):
            publish_mixture(self.work)
            self.work.repeat()
        self.environment.kill_bus()
        self.report.deaths.append(BUS)
        publish_mixture(self.work)
        wait(self.all_answered, "an answer after the server's death", REACHED_S)

    # --- judging

    def verdict(self) -> Iterator[str]:
        """One quiet start; everything has to end; then ledger and receivers are compared."""
        self.quiet_start()
        wait(self.all_answered, "every answer", COMPLETE_S)
        self.work.finish()
        try:
            wait(self.all_done, "the end of all work", COMPLETE_S)
        except CampaignFailed as stuck:
            yield f"unfinished: {stuck}"
        contradictions = self.environment.on_bus(self.contradictions)
        yield from ["Loa died while it was judged"] if contradictions is None else contradictions
        if not (self.mutant and contradictions):  # `check` looks twice, for six seconds
            yield from self.checked()
        if code := self.environment.stop():
            yield f"SIGTERM was answered with {code}"

    def all_answered(self) -> bool:
        self.work.repeat()
        return not self.work.unanswered()

    def all_done(self) -> bool:
        """Loa sends what a command had kept only after it is ready."""
        kept = any((self.environment.data / "spool").glob("*.json"))
        return not kept and bool(self.environment.on_bus(is_idle))

    def checked(self) -> Iterator[str]:
        """Findings of `loa check --deep` and `loa audit verify`."""
        answer = self.environment.ask_json("check", "--deep", "--json")
        for violation in answer["violations"]:
            yield "check: {rule} {key}: {detail}".format_map(violation)
        audit = self.environment.ask_json("audit", "verify", "--json")
        if not audit["ok"]:
            yield f"check: the audit log: {audit}"

    async def contradictions(self, bus: Bus) -> list[str]:
        books = await read_snapshot(bus)
        lost = list(restore_removed(books, self.work.old))
        seen = ReceiverRecords(
            mails=read_record(self.environment.record),
            zalo=self.environment.effects(),
            portal=self.environment.data / "portal" / "public",
            url=PUBLIC_URL,
            kills=self.environment.kills,
            answers_lost=self.work.answers_lost,
            outages=self.outages,
            troubles=self.troubles,
        )
        tried = trial_errors(self.work.tried, GUESTS, seen.mails)
        called = await missed_callbacks(bus, UNIT, self.environment.callbacks)
        return [*lost, *judge(books, self.work.told, seen), *tried, *called]


def log_errors_only() -> None:
    """Only errors are said by this process, which may run beside others."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))


def play(seed: str, points: list[str], folder: Path, mutant: str = "") -> Report:
    """One campaign in a fresh folder."""
    folder.mkdir(parents=True)
    return Campaign(folder, seed, points, mutant).run()


async def is_idle(bus: Bus) -> bool:
    """Whether all work is done."""
    async for _ in TrialStore(bus).open_events(1):
        return False
    async for _ in busy_consumers(bus):
        return False
    ledger = bus.bucket(subjects.LEDGER.name)
    async for _, value in ledger.values("state."):
        if not codec.decode_state(value.data).closed_at:
            return False
    async for _, value in ledger.values("plan."):
        cursor = codec.decode_cursor(value.data)
        if not (cursor.complete or cursor.halt):
            return False
    closing_mails = await bus.bucket(subjects.SUBSCRIBERS.name).keys("f.")
    return not closing_mails and await digests_are_idle(bus)


async def busy_consumers(bus: Bus) -> AsyncIterator[str]:
    """Durables that still have something to do, by name."""
    for stream in (subjects.CONTENT, subjects.PUBLICATIONS, subjects.RECEIPTS):
        for consumer in stream.consumers:
            info = await bus.consumer_info(stream.name, consumer.durable)
            if info["num_pending"] or info["num_ack_pending"]:
                yield consumer.durable


async def digests_are_idle(bus: Bus) -> bool:
    """Whether everything that was published has been gathered, and planned."""
    store = DigestStore(bus)
    last = int((await bus.stream_info(subjects.PUBLICATIONS.name))["state"]["last_seq"])
    for frequency in FREQUENCIES:
        cut = (await store.last_cut(frequency)).value
        if cut is None or cut.upto < last or cut.carried:
            return False
    return not (await store.open_digests()).calls
