"""Processes on one bus: each has a name of its own, and says that it runs."""

from contextlib import ExitStack, asynccontextmanager

from consumers.doctor import services
from consumers.doctor.services import examine_bus
from consumers.runtime.presence import SILENT_S, Presence, ProcessRecord, load_processes, named

DAY_S = 86400.0


def presence(bus, clock, name, version="1"):
    facts = {"services": ("deliver-email",), "version": version, "pid": 7}
    return Presence(bus, ProcessRecord(name=name, started=clock(), at=clock(), **facts), clock)


async def found_by_doctor(bus):
    @asynccontextmanager
    async def connect():
        yield bus

    found = [one async for one in examine_bus(connect, is_own=True)]
    return [(one.code, one.message) for one in found if one.code != "bus_ok"]


def test_processes_of_the_same_services_have_names_that_outlive_them(tmp_path):
    names = []
    with ExitStack() as running:
        for _ in range(3):
            names.append(running.enter_context(named(tmp_path, "web-1", ["pages", "desk"])))
        other = running.enter_context(named(tmp_path, "web-1", ["intake"]))
    first = "web-1.pages_desk"
    assert (names, other) == ([first, f"{first}.2", f"{first}.3"], "web-1.intake")
    with named(tmp_path, "web-1", ["pages", "desk"]) as again:
        assert again == first


async def test_one_that_stops_is_gone_and_one_that_was_killed_is_silent_for_a_day(bus, clock):
    stopped, killed = presence(bus, clock, "a.intake"), presence(bus, clock, "b.intake")
    for one in (stopped, killed):
        await one.renew()
    assert [one.name for one in await load_processes(bus, clock())] == ["a.intake", "b.intake"]
    await stopped.end()
    clock.advance(SILENT_S + 1)
    [left] = await load_processes(bus, clock())
    assert (left.name, left.is_silent(clock())) == ("b.intake", True)
    clock.advance(DAY_S)
    assert await load_processes(bus, clock()) == []


async def test_the_doctor_names_the_processes_their_versions_and_the_silent_ones(
    bus, clock, monkeypatch
):
    monkeypatch.setattr(services.time, "time", clock)
    assert await found_by_doctor(bus) == []
    old, new = presence(bus, clock, "a.intake"), presence(bus, clock, "b.intake", version="2")
    await old.renew()
    [(code, said)] = await found_by_doctor(bus)
    assert (code, said) == ("bus_processes", "1 processes run, by version: 1: a.intake")
    await new.renew()
    [(code, said)] = await found_by_doctor(bus)
    assert code == "bus_versions" and said.endswith("1: a.intake; 2: b.intake")
    clock.advance(SILENT_S + 1)
    await new.renew()
    (code, said), (silent, about) = await found_by_doctor(bus)
    assert (code, silent) == ("bus_processes", "bus_process_silent")
    assert about.startswith("a.intake has said nothing since ")


async def test_a_record_of_a_later_version_is_read(bus, clock):
    one = presence(bus, clock, "a.intake")
    one.record = one.record.model_copy(update={"later": 1})
    await one.renew()
    assert [known.name for known in await load_processes(bus, clock())] == ["a.intake"]
