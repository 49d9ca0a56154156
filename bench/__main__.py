"""`make bench`: every contestant in turn, several times over, into smtp-sink; then the table."""

import argparse
import os
import sys

from bench.loa import Loa, LoaFailed
from bench.run import Contestant, Run
from bench.sink import Sink, SinkStopped
from bench.smtp_source import SmtpSource
from bench.table import table
from bench.tools import Missing, tool

CONTESTANTS: tuple[Contestant, ...] = (SmtpSource(), Loa())  # the first one is the reference


def main() -> int:
    """0 with a table, 1 when a contestant failed, 2 when a program is missing."""
    arguments = parse()
    try:
        tool("smtp-sink"), tool("smtp-source")
        results = compete(arguments.mails, arguments.repetitions)
    except Missing as missing:
        print(missing, file=sys.stderr)
        return 2
    except (LoaFailed, SinkStopped) as failure:
        print(f"failed: {failure}", file=sys.stderr)
        return 1
    print(table(results))
    return 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--mails", type=int, default=20_000, help="readers of the event")
    parser.add_argument("--repetitions", type=int, default=3, help="the table shows medians")
    return parser.parse_args()


def compete(mails: int, repetitions: int) -> dict[str, list[Run]]:
    """All contestants of a repetition run one after another, each with a fresh sink."""
    results: dict[str, list[Run]] = {contestant.name: [] for contestant in CONTESTANTS}
    for repetition in range(1, repetitions + 1):
        print(f"repetition {repetition} of {repetitions}, {load()}", flush=True)
        for contestant in CONTESTANTS:
            with Sink() as sink:
                run = contestant.run(sink, mails)
            results[contestant.name].append(run)
            print(f"  {contestant.name}: {run.last_s:.2f} s, {run.rate:,.0f} mails/s", flush=True)
    print(f"done, {load()}\n")
    return results


def load() -> str:
    averages = " ".join(f"{average:.2f}" for average in os.getloadavg())
    return f"load average {averages} on {os.cpu_count()} cores"


if __name__ == "__main__":
    sys.exit(main())
