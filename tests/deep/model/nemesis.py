"""Faults: deaths, freezes, partitions, pauses, lost queues; and the end of all that."""

import asyncio
from typing import TYPE_CHECKING, Any

from consumers.channel_health import pauses
from contracts import subjects
from tests.deep.model.virtual_loop import ProcessState

if TYPE_CHECKING:
    from tests.deep.model.process import Process
    from tests.deep.model.world import Simulation

SHORT, LONG = (0.05, 5.0), (20.0, 150.0)

AT_CRASH_POINTS = 2.0
DELICATE = ("before a send", "after a send", "schedule", "batch, asked")


class Nemesis:
    """Works until `end`."""

    def __init__(self, world: "Simulation") -> None:
        self.world, self.loop, self.chance = world, world.loop, world.chance("nemesis")
        self.active = True
        self.dead: set[str] = set()
        self.suspended: dict[ProcessState, tuple[float, bool]] = {}

    def begin(self) -> None:
        """Put this run's outside faults on the calendar."""
        chance, ends_s = self.chance, self.world.story.ends_s
        self.world.server.skew_s = chance.choice((0.0, -3.0, 3.0, -0.5))
        for share, fault in ((0.3, self.partition), (0.15, self.pause), (0.25, self.stall)):
            while chance.is_hit(share):
                self.loop.later(chance.between(0.0, ends_s), fault)
        while chance.is_hit(0.3):
            self.loop.later(chance.between(0.0, ends_s), self.replay)
        while self.world.story.sweeps and chance.is_hit(0.6):
            self.loop.later(chance.between(0.0, ends_s), self.world.server.lose_wake_ups)

    def end(self) -> None:
        """From now on everything works; what is under way still arrives."""
        self.active = False
        self.world.story.network_faults.heal()
        for receiver in self.world.receivers.values():
            receiver.odds.heal()
        self.resume()
        for process in list(self.world.processes.values()):
            process.actor.cut_off = False
            self.unfreeze(process.actor)
        for place in sorted(self.dead):
            self.restart(place)
        self.serve_all()
        for process in self.world.processes.values():
            self.loop.later(1.0, self.world.check, process)

    def serve_all(self) -> None:
        for queue in self.world.server.queues.values():
            queue.serve()

    # --- wherever a process acts

    def interrupt(self, actor: ProcessState, where: str) -> Any:
        """Obstacle to wait for: none, a thaw, or (the dead) one without an end."""
        if not actor.alive:
            return self.loop.create_future()
        if not self.active:
            return None
        story = self.world.story
        drawn = self.chance.random() / (4.0 if where in DELICATE else 1.0)
        if drawn < story.kills:
            self.kill(actor, where)
            return self.loop.create_future()
        if drawn < story.kills + story.freezes:
            self.freeze(actor)
            return asyncio.sleep(0)
        return None

    def at_crash_point(self, actor: ProcessState | None, name: str) -> None:
        """The product's own names for the moments at which death matters."""
        if actor is None or not actor.alive or not self.active:
            return
        if self.chance.is_hit(AT_CRASH_POINTS * self.world.story.kills):
            self.world.seen[f"died at {name}"] += 1
            self.kill(actor, name)

    def kill(self, actor: ProcessState, where: str) -> None:
        self.world.seen["a process was killed"] += 1
        self.world.monitor.note(f"killed at {where}")
        actor.alive = False
        for queue in self.world.server.queues.values():
            queue.leave(actor)
        self.dead.add(actor.place)
        rest_s = self.chance.duration(((0.1, 2.0), (2.0, 90.0)))
        self.loop.later(rest_s, self.restart, actor.place)

    def restart(self, place: str) -> None:
        if place in self.dead:
            self.dead.discard(place)
            self.world.start(place)

    def freeze(self, actor: ProcessState) -> None:
        """SIGSTOP, or the machine sleeps: then its monotonic clock is stopped, too."""
        asleep = self.chance.is_hit(0.3)
        self.world.seen["a machine was suspended" if asleep else "a process was stopped"] += 1
        self.world.monitor.note("frozen")
        self.suspended[actor] = (self.loop.now, asleep)
        actor.frozen = True
        self.loop.later(self.chance.duration((SHORT, LONG)), self.unfreeze, actor)

    def unfreeze(self, actor: ProcessState) -> None:
        if not actor.frozen:
            return
        since_s, asleep = self.suspended.pop(actor)
        process = self.world.processes[actor.place]
        until_s = self.loop.now + self.chance.between(0.05, 2.0)
        process.directory.stalls.append((since_s, until_s))
        self.world.monitor.note(f"{actor.name} thawed")
        self.loop.thaw(actor, self.loop.now - since_s if asleep else 0.0)
        self.loop.later(1.0, self.world.check, process)

    # --- from outside

    def random_process(self) -> "Process":
        return self.chance.choice(list(self.world.processes.values()))

    def partition(self) -> None:
        if not self.active:
            return
        process, for_s = self.random_process(), self.chance.duration((SHORT, (5.0, 100.0)))
        self.world.seen["a process was cut off"] += 1
        process.actor.cut_off = True
        process.directory.freeze(for_s + 0.1)
        self.loop.later(for_s, self.heal, process.actor)

    def heal(self, actor: ProcessState) -> None:
        actor.cut_off = False
        self.loop.later(1.0, self.world.check, self.world.processes[actor.place])
        self.serve_all()

    def stall(self) -> None:
        """A process's copy of the readers is no longer updated."""
        self.world.seen["a directory stood still"] += 1
        self.random_process().directory.freeze(self.chance.duration((SHORT, LONG)))

    def pause(self) -> None:
        """An operator pauses a channel, and resumes it."""
        if self.active:
            self.world.seen["a channel was paused"] += 1
            key = pauses.pause_key(self.chance.choice(list(self.world.kinds)))
            paused = b'{"since": "2027-01-15T08:00:00Z", "reason": ""}'
            self.world.server.buckets[subjects.CONTROL.name].swap(key, paused, None)
            self.loop.later(self.chance.between(1.0, 90.0), self.resume)

    def resume(self) -> None:
        table = self.world.server.buckets[subjects.CONTROL.name]
        for name in self.world.kinds:
            if table.get(pauses.pause_key(name)):
                table.swap(pauses.pause_key(name), None, None)

    def replay(self) -> None:
        """A publication comes again, long after it was acknowledged."""
        if self.world.server.publications:
            message = self.chance.choice(self.world.server.publications)
            name = self.chance.choice(list(self.world.kinds))
            self.world.seen["a publication was replayed"] += 1
            self.world.server.queue(subjects.dispatch(name)).put(message.seq, message.data)
