"""How the crash points of the pages, the readers' and the portal's, are reached."""

import time
from hashlib import sha256

from consumers.readers.links import Links, Purpose, Whose
from consumers.readers.people import People
from producers.bus import Bus
from producers.pages.look import texts
from tests.crash.workload import Workload

CONSENT = texts()["consent"]["version"]


def asking(work: Workload) -> None:
    """Somebody wants to subscribe, and gets a letter."""
    work.number += 1
    address = f"dang-ky-{work.number}@example.com"
    work.stage.form("/dang-ky", email=address, consent=CONSENT)


def parting(work: Workload) -> None:
    """A reader ends it, or deletes everything, on their own page."""
    path = work.ground.strangers()
    work.stage.on_bus(lambda bus: work.ground.take_in(bus, path))
    address = path.read_text().splitlines()[1].partition(",")[0]
    session = work.stage.on_bus(lambda bus: let_in(work, bus, address))
    if session:
        seal = sha256(b"loa form\x00" + session.encode()).hexdigest()
        deed = work.rng.choice(["ngung", "xoa"])
        cookie = {"Cookie": f"__Host-loa-dang-ky={session}"}
        work.stage.form(f"/dang-ky/tuy-chon/{deed}", cookie, seal=seal)


async def let_in(work: Workload, bus: Bus, address: str) -> str:
    """The session that a letter would open."""
    people = People.opened(bus, work.ground.key_file)
    person = await people.by_address(address)
    assert person
    whose = Whose(id=person.id, address=people.address(address))
    return Links(work.ground.key_file.derive, time.time).make(Purpose.SESSION, whose).token


def removing(work: Workload) -> list[object]:
    """`loa subscribers remove`, which is repeated until nothing is left."""
    path = work.ground.strangers()
    work.stage.on_bus(lambda bus: work.ground.take_in(bus, path))
    address = path.read_text().splitlines()[1].partition(",")[0]
    return ["subscribers", "remove", address, "--reason", "asked for in writing"]


def pages_anew(work: Workload) -> list[object]:
    """`loa rebuild portal`, while Loa goes on showing items."""
    work.item("portal")
    return ["rebuild", "portal"]
