"""How the crash points of the pages, the readers' and the portal's, are reached."""

import time
from hashlib import sha256

from consumers.subscribers.store import SubscriberStore
from consumers.subscribers.tokens import LinkOwner, LinkTokens, TokenPurpose
from producers.bus import Bus
from producers.pages.rendering import page_texts
from tests.deep.crash.workload import Workload

CONSENT = page_texts()["consent"]["version"]


def request_signup(work: Workload) -> None:
    """Somebody wants to subscribe, and gets a letter."""
    work.number += 1
    address = f"dang-ky-{work.number}@example.com"
    work.stage.form("/dang-ky", email=address, consent=CONSENT)


def leave_by_page(work: Workload) -> None:
    """A reader ends it, or deletes everything, on their own page."""
    path = work.ground.unknown_addresses()
    work.stage.on_bus(lambda bus: work.ground.import_csv(bus, path))
    address = path.read_text().splitlines()[1].partition(",")[0]
    session = work.stage.on_bus(lambda bus: session_for(work, bus, address))
    if session:
        seal = sha256(b"loa form\x00" + session.encode()).hexdigest()
        deed = work.rng.choice(["ngung", "xoa"])
        cookie = {"Cookie": f"__Host-loa-dang-ky={session}"}
        work.stage.form(f"/dang-ky/tuy-chon/{deed}", cookie, seal=seal)


async def session_for(work: Workload, bus: Bus, address: str) -> str:
    """The session that a letter would open."""
    people = SubscriberStore.from_key_file(bus, work.ground.key_file)
    person = await people.find_by_address(address)
    assert person
    whose = LinkOwner(id=person.id, address=people.key_of_address(address))
    return (
        LinkTokens(work.ground.key_file.derive, time.time).issue(TokenPurpose.SESSION, whose).token
    )


def remove_subscriber(work: Workload) -> list[object]:
    """`loa subscribers remove`, which is repeated until nothing is left."""
    path = work.ground.unknown_addresses()
    work.stage.on_bus(lambda bus: work.ground.import_csv(bus, path))
    address = path.read_text().splitlines()[1].partition(",")[0]
    return ["subscribers", "remove", address, "--reason", "asked for in writing"]


def rebuild_portal(work: Workload) -> list[object]:
    """`loa rebuild portal`, while Loa goes on showing items."""
    work.item("portal")
    return ["rebuild", "portal"]
