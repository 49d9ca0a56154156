"""`python -m tests.deep.model [SEEDS] [--start N] [--bug NAME|all] [--trace] [--processes N]`."""

import argparse
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor

from tests.deep.model import campaign
from tests.deep.model.bugs import BUGS
from tests.deep.model.campaign import Result

SHARE = 250


def main() -> int:
    options = parsed()
    if options.bug:
        names = BUGS if options.bug == "all" else [options.bug]
        return sum(not catch_bug(name, options.start, options.seeds) for name in names)
    began, spent = time.perf_counter(), time.process_time()
    result = run_all(options)
    took_s = time.perf_counter() - began
    report(result)
    cpu_s = time.process_time() - spent
    print(f"{result.runs} seeds, {result.steps} steps; fingerprint {result.digest};")
    print(
        f"{took_s:.0f} s, {result.runs / took_s:.0f} seeds/s; {cpu_s:.0f} s of this process's CPU"
    )
    return bool(result.violations)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.deep.model", description=__doc__)
    parser.add_argument("seeds", type=int, nargs="?", default=2000)
    parser.add_argument("--start", type=int, default=0, help="the first seed")
    parser.add_argument("--bug", help="plant a bug, or each in turn (all), and count the seeds")
    parser.add_argument("--trace", action="store_true", help="tell what happens, line by line")
    parser.add_argument("--processes", type=int, default=1)
    return parser.parse_args()


def run_all(options: argparse.Namespace) -> Result:
    seeds = range(options.start, options.start + options.seeds)
    if options.processes == 1:
        return campaign.run(seeds, tracing=options.trace)
    shares = [seeds[first : first + SHARE] for first in range(0, len(seeds), SHARE)]
    with ProcessPoolExecutor(options.processes) as pool:
        return campaign.joined(print_shares(pool.map(campaign.run, shares)))


def print_shares(results: Iterable[Result]) -> Iterator[Result]:
    """One line per share, so that a run that is cut short has said what it knew."""
    runs = wrong = 0
    for share in results:
        runs, wrong = runs + share.runs, wrong + len(share.violations)
        print(f"{runs:6} seeds, {wrong} violations", flush=True)
        yield share


def catch_bug(name: str, start: int, seeds: int) -> bool:
    """Plant one bug, and say how many seeds it took to see it."""
    spent = time.process_time()
    with BUGS.planted(name):
        result = campaign.run(range(start, start + seeds), stop_after=1)
    rules = ", ".join(sorted({rule for _, rule, _ in result.violations}))
    spent = time.process_time() - spent
    seen = f"seed {result.violations[0][0]}: {rules}" if result.violations else "SURVIVES"
    print(f"{name:32} {result.runs:5} seeds {spent:6.1f} s  {seen}")
    return bool(result.violations)


def report(result: Result) -> None:
    for what, times in sorted(result.seen.items()):
        print(f"{times:9} {what}")
    for seed, rule, detail in result.violations[:40]:
        print(f"seed {seed}: {rule}: {detail}")
    if result.violations:
        print(str(dict(Counter(rule for _, rule, _ in result.violations))))
        print(f"commit {commit()}; to replay: python -m tests.deep.model 1 --start SEED --trace")


def commit() -> str:
    head = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return head.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main())
