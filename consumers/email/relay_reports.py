"""Reports of e-mail workers: the relays that each leaves out, and its portion of their limits.

One record in bucket `control` has a report of every worker, which renews it as long as it lives.
"""

from collections.abc import Mapping

from channels.email.relays import WHOLE, Portion
from contracts import subjects
from contracts.records import Record
from producers.bus import Bus, records
from producers.bus.records import Versioned

LOOK_S = 2.0
"""How often a worker reads the reports."""
_RENEW_S = 5.0
_DEAD_AFTER_S = 15.0
_JOIN_S = 3 * LOOK_S
"""How long a worker that joins others leaves them to give it their portions."""
_KEY = "relays.email"


class RelayOut(Record):
    """A relay that is left out while others go on: its name, why, and since when.

    `address`: its host and port. `variable`: the setting that names it.
    """

    name: str
    address: str = ""
    variable: str = ""
    reason: str = ""
    since: float = 0.0


class WorkerReport(Record):
    """Report of a worker: when it joined, when it was last alive, and the relays it leaves out."""

    joined: float
    seen: float
    out: tuple[RelayOut, ...] = ()


class RelayReports(Record):
    """The reports of all workers, by the names of their slots."""

    workers: Mapping[str, WorkerReport] = {}

    def alive(self, now: float) -> dict[str, WorkerReport]:
        """The reports of workers that are not dead."""
        return {n: one for n, one in self.workers.items() if now - one.seen < _DEAD_AFTER_S}

    def with_report(self, name: str, out: tuple[RelayOut, ...], now: float) -> "RelayReports":
        """These without the dead, and with the report of *name*; the same if that is as it was."""
        alive = self.alive(now)
        known = alive.get(name)
        if known and known.out == out and now - known.seen < _RENEW_S:
            return self
        joined = known.joined if known else now
        report = WorkerReport(joined=joined, seen=now, out=out)
        return self.model_copy(update={"workers": alive | {name: report}})

    def portion_of(self, name: str, now: float) -> Portion | None:
        """The portion of the limits for *name*; None as long as others may still use all of it."""
        alive = self.alive(now)
        if len(alive) > 1 and now - alive[name].joined < _JOIN_S:
            return None
        return WHOLE._replace(number=sorted(alive).index(name), of=len(alive))

    def relays_out(self, now: float) -> tuple[RelayOut, ...]:
        """Each relay that a living worker leaves out, as the first of them found it."""
        found = [out for report in self.alive(now).values() for out in report.out]
        first: dict[str, RelayOut] = {}
        for out in sorted(found, key=lambda one: one.since):
            first.setdefault(out.name, out)
        return tuple(first[name] for name in sorted(first))


async def load_relay_reports(bus: Bus) -> RelayReports:
    """The reports; none where they can't be read. Raises BusError."""
    return (await _load(bus)).value or RelayReports()


async def report_relays(bus: Bus, name: str, out: tuple[RelayOut, ...], now: float) -> RelayReports:
    """Bring the report of *name* up to date; all reports. Raises BusError."""
    written = await records.update_or_create(
        bus.bucket(subjects.CONTROL.name),
        _KEY,
        RelayReports,
        lambda before: before.with_report(name, out, now),
        await _load(bus),
    )
    return written.value


async def _load(bus: Bus) -> Versioned[RelayReports | None]:
    return await records.read_or_absent(bus.bucket(subjects.CONTROL.name), _KEY, RelayReports)
