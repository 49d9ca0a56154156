"""How the crash points of the readers' pages and of their erasure are reached."""

from producers.pages.look import texts
from tests.crash.workload import Workload

CONSENT = texts()["consent"]["version"]


def asking(work: Workload) -> None:
    """Somebody wants to subscribe, and gets a letter."""
    work.number += 1
    address = f"dang-ky-{work.number}@example.com"
    work.stage.form("/dang-ky", email=address, consent=CONSENT)


def removing(work: Workload) -> list[object]:
    """`loa subscribers remove`, which is repeated until nothing is left."""
    path = work.strangers()
    work.stage.on_bus(lambda bus: work.take_in(bus, path))
    address = path.read_text().splitlines()[1].partition(",")[0]
    return ["subscribers", "remove", address, "--reason", "asked for in writing"]
