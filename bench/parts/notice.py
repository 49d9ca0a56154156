"""How long one person's notice takes on an idle machine, from the POST to the mail."""

import time
from datetime import UTC, datetime
from typing import Any

from bench import loa, processes
from bench.figures import Findings, at_most, percentile
from bench.server import Server, envelope
from bench.sizes import Sizes
from bench.watcher import Watcher

PART = "notice"
PREFIX = "person"
WARM_UPS = 10
PER_S = 10
"""So many events a second the door takes from one unit, after 200 at once."""
TARGETS = {50: None, 95: None, 99: at_most(5)}


def measure(sizes: Sizes) -> Findings:
    """Case notices one after another; the next one starts when the ledger has closed the last."""
    with Watcher(prefix=PREFIX) as relay, loa.up(PART, relay.port) as server:
        for number in range(WARM_UPS):
            told(server, relay, number)
        time.sleep(WARM_UPS / PER_S)  # the unit's share is whole again
        processes.settle(*server.pids)
        took = []
        for number in range(WARM_UPS, WARM_UPS + sizes.notices):
            took.append(told(server, relay, number))
    found_ms = [s * 1000 for s in took]
    lines = [
        percentile(PART, "POST to mail, idle", "ms", found_ms, percent, target)
        for percent, target in TARGETS.items()
    ]
    return Findings(lines, [{"part": PART, "s": took}])


def told(server: Server, relay: Watcher, number: int) -> float:
    """Seconds from the POST of a notice to its mail."""
    address = f"{PREFIX}{number}@example.com"
    event = notice(number, address)
    started = time.monotonic()
    answer = server.post(event)
    took_s = relay.wait_for(address) - started
    server.closed(answer["status_url"])
    return took_s


def notice(number: int, address: str) -> dict[str, Any]:
    """The only step of a dossier: it was received."""
    at = datetime.now(UTC).isoformat(timespec="seconds")
    code = f"G09.20-20260609-{number:07d}"
    data = {
        "notice": "status",
        "case_code": code,
        "procedure_code": "1.005129",
        "procedure_name": "Thủ tục mẫu dùng để đo",
        "authority": "Bộ Nội vụ",
        "receiving_unit": "G09.20",
        "status": 2,
        "occurred_at": at,
        "applicant_name": "N*** V*** A***",
        "applicant_kind": "citizen",
        "contact": {"email": address, "consent": True},
        "received_at": at,
        "received_by": "Bộ phận Một cửa",
        "due_at": "2027-07-20T17:00:00+07:00",
        "pickup": "Bộ phận Một cửa",
    }
    return envelope("case.updated", f"{code}/1", data)
