"""`make bench`: all parts or those that are named, then one table of what was found."""

import argparse
import logging
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import structlog

from bench.figures import Figure, Findings
from bench.parts import (
    celery,
    cluster,
    desk,
    engine,
    intake,
    mails,
    notice,
    portal,
    render,
    scale,
    serving,
    tracing,
    urgent,
    watchers,
)
from bench.peer import PeerFailed
from bench.picture import picture
from bench.record import in_short, record, written
from bench.server import LoaFailed
from bench.sink import SinkStopped
from bench.sizes import SMALL, Sizes
from bench.table import table
from bench.tools import Missing

MODULES = (
    render,
    engine,
    mails,
    celery,
    cluster,
    urgent,
    notice,
    intake,
    scale,
    portal,
    serving,
    desk,
    watchers,
    tracing,
)
PARTS: dict[str, Callable[[Sizes], Findings]] = {one.PART: one.measure for one in MODULES}
FAILURES = (LoaFailed, PeerFailed, SinkStopped)
HERE = Path(__file__).parent
FREE = ("repetitions", "mails")


def main() -> int:
    """0 with a table, missed targets or not; 1 when a part failed."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # nothing that was started is left behind
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    said = parse()
    sizes = wanted(said)
    began = time.monotonic()
    findings, failed = run(said.parts or list(PARTS), sizes)
    took_s = time.monotonic() - began
    print(f"\n{table(findings.figures)}\n\n{took_s / 60:.1f} minutes, {load()}")
    if said.write or (sizes == Sizes() and not said.parts and not failed):
        write(findings, sizes, took_s)
    return 1 if failed else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--mails", type=int, help="readers of the event, where it is one event")
    parser.add_argument("--repetitions", type=int, help="turns of everybody; medians are shown")
    parser.add_argument("--small", action="store_true", help="a little of everything")
    parser.add_argument("--write", action="store_true", help="results.json and results.svg, too")
    said = parser.parse_args()
    if unknown := set(said.parts) - set(PARTS):
        parser.error(f"no such part: {', '.join(sorted(unknown))}")
    return said


def wanted(said: argparse.Namespace) -> Sizes:
    given = {name: getattr(said, name) for name in FREE if getattr(said, name)}
    if "mails" in given:
        given["peer_mails"] = given["mails"]
    return replace(SMALL if said.small else Sizes(), **given)


def run(parts: Sequence[str], sizes: Sizes) -> tuple[Findings, bool]:
    """Findings of the parts, and whether one of them failed."""
    findings, failed = Findings(), False
    for part in parts:
        print(f"{part}: {load()}", flush=True)
        try:
            findings.add(PARTS[part](sizes))
        except Missing as missing:
            print(missing, file=sys.stderr)
            findings.figures.append(Figure.left_out(part, "", str(missing)))
        except FAILURES as failure:
            print(f"{part} failed: {failure}", file=sys.stderr)
            failed = True
    return findings, failed


def write(findings: Findings, sizes: Sizes, took_s: float) -> None:
    found = record(findings, sizes, took_s)
    (HERE / "results.json").write_text(written(found))
    (HERE / "results.svg").write_text(picture(findings.figures, in_short(found["machine"])))


def load() -> str:
    averages = " ".join(f"{average:.2f}" for average in os.getloadavg())
    return f"load average {averages} on {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())
