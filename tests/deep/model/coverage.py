"""Cases that a run of the model must have seen: every kind of fault, every step that may be cut."""

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[3]
CRASH_POINT = re.compile(r'crash_point\("([a-z_.]+)"\)')
DRIVEN = (
    "channel_health/gate", "deliver/batch_run", "deliver/lease", "deliver/worker",
    "dispatch/handler", "dispatch/supersede", "feedback/handler", "ledger/store", "ledger/wakeups",
)  # fmt: skip
"""The parts of `consumers` that the model runs."""
FAULTS = (
    "a process was killed", "a process was stopped", "a machine was suspended",
    "a process was cut off", "a request was lost", "a request arrived late", "an answer was lost",
    "a request met a partition", "a message was delivered again",
    "an acknowledgement did not come in time", "a repeated message was absorbed",
    "a question was asked again", "a handler met trouble with the bus",
    "a schedule fired", "a schedule was replaced", "wake-ups were lost",
    "a channel could not be reached", "a channel was paused", "a directory stood still",
    "a publication was replayed", "a batch changed its owner", "the own deadline stopped a send",
    *(f"a receiver's answer: {fate}" for fate in (
        "ok", "later", "held", "never", "unwanted", "cut_before",
        "silent", "silent_after", "silent_late",
    )),
    *(f"a doubt was answered: {known}" for known in (
        "resend", "unknown", "delivered", "absent", "doubt",
    )),
)  # fmt: skip
MOVES = (
    "ps", "pe", "pu", "pv", "pw", "sd", "sx", "su", "sp", "sr", "sP", "sV", "sW", "rs", "ru", "rv",
    "Pd", "PS", "PK", "PE", "PU", "PV", "PW", "SD", "SP", "SR", "KD", "VD",
)  # fmt: skip
"""Letters before and after: the ways of a row that any run must have taken."""
EVENTS = (
    "batch_closed", "batch_recovered", "batches_swept", "breaker_closed", "breaker_opened",
    "channel_paused", "channel_resumed", "doubts_resolved", "plan_halted", "publication_planned",
    "receipt_applied", "rows_expired",
)  # fmt: skip

RARE = ("died at feedback.booked", "died at deliver.put_off", "died at deliver.scheduled")
"""Seen in a few of 2,000 seeds only: no reason to fail when the dice fall otherwise."""


def crash_points() -> list[str]:
    """The product's own, as its code names them."""
    texts = ((ROOT / "consumers" / f"{name}.py").read_text("utf-8") for name in DRIVEN)
    return sorted({name for text in texts for name in CRASH_POINT.findall(text)})


def unseen(seen: Mapping[str, int]) -> list[str]:
    """Cases that should have come, and did not."""
    wanted = [*FAULTS, *MOVES, *(f"log: {event}" for event in EVENTS)]
    wanted += [f"{what} {name}" for name in crash_points() for what in ("passed", "died at")]
    return [name for name in wanted if name not in RARE and not seen.get(name)]
