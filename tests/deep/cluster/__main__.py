"""`make cluster-crash`: three hundred faults in clusters with Loa at work, and a verdict.

    python -m tests.deep.cluster [FAULTS] [--seed SEED] [--fault NAME] [--only NUMBER] [--keep DIR]

A failure is printed with its seed, the commit and how to repeat it; exit code 1. So is a gap of
acceptance after a leader's death above the limit. A cluster that did not come to its end was not
judged: the last line then says INCOMPLETE.
"""

import argparse
import secrets
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from math import ceil
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from tests.deep.cluster.campaign import ClusterReport, play
from tests.deep.cluster.faults import FAULTS
from tests.deep.cluster.schedule import plan_runs
from tests.deep.crash.__main__ import commit, crashed_report
from tests.deep.crash.campaign import log_errors_only
from tests.deep.crash.schedule import CampaignRun
from tests.support import requirements

AT_ONCE = 2
NUMBER = 300
GAP_S = 10.0
"""How long nothing may be accepted after a leader's death, in 95 of 100 of them."""
LEADERS_DEATH = "kill-leader"


def main() -> int:
    options = arguments()
    hands = plan_runs(options.faults, options.seed, (options.fault,) if options.fault else ())
    if options.only is not None:
        hands = [hands[options.only]]
    print(f"seed {options.seed}, commit {commit()}: {len(hands)} clusters, {AT_ONCE} at a time")
    if not requirements.can_mount():
        print("no disk fills up in this run: that needs root, and the right to mount a tmpfs")
    with tempfile.TemporaryDirectory(prefix="loa-cluster-") as folder:
        reports = list(run(hands, options.keep or Path(folder), options))
    return verdict(reports, sum(len(hand.points) for hand in hands))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.deep.cluster")
    parser.add_argument("faults", nargs="?", type=int, default=NUMBER)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--fault", choices=sorted(FAULTS), help="only this kind")
    parser.add_argument("--only", type=int, help="only this cluster of the run")
    parser.add_argument("--keep", type=Path, help="where the folders are to stay")
    return parser.parse_args()


def run(
    hands: list[CampaignRun], folder: Path, options: argparse.Namespace
) -> Iterator[ClusterReport]:
    """Play the hands, some at a time, and tell of each as it ends."""
    began, faults = time.monotonic(), 0
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn"), log_errors_only) as pool:
        played = {
            pool.submit(play, hand.seed, hand.points, folder / str(hand.number)): hand
            for hand in hands
        }
        for done in as_completed(played):
            hand, error = played[done], done.exception()
            failed = crashed_report(hand, error).faults if error else []
            report = ClusterReport(hand.seed, faults=failed) if error else done.result()
            faults += len(report.deaths)
            tell(report, hand, options, f"{(time.monotonic() - began) / 60:5.1f} min, {faults:4}")
            yield report


def tell(
    report: ClusterReport, hand: CampaignRun, options: argparse.Namespace, so_far: str
) -> None:
    found = f"{len(report.faults)} FAILURES" if report.faults else "nothing wrong"
    print(f"{so_far} faults, cluster {hand.number}: {found}")
    again = f"{options.faults} --seed {options.seed} --only {hand.number}"
    again += f" --fault {options.fault}" if options.fault else ""
    for fault in report.faults:
        print(f"FAILED seed {hand.seed}, commit {commit()}, {fault}")
        print(f"  again: make cluster-crash ARGS='{again}'")
    if report.ends:
        print(f"  ended by themselves, and started again: {', '.join(report.ends)}")
    sys.stdout.flush()


def verdict(reports: list[ClusterReport], wanted: int) -> int:
    """The kinds, the gaps by the kind of fault; the last line says the rest."""
    kinds = Counter(name for report in reports for name in report.deaths)
    print(", ".join(f"{name} {times}" for name, times in kinds.most_common()))
    is_late = not tell_gaps([gap for report in reports for gap in report.gaps_s])
    judged = sum(len(report.deaths) for report in reports if report.judged)
    faults = [fault for report in reports for fault in report.faults]
    if judged < wanted or not all(report.judged for report in reports):
        print(f"INCOMPLETE: {judged:,} of {wanted:,} faults judged")
        return 1
    lost = sum("lost:" in fault or "unfinished:" in fault for fault in faults)
    twice = sum("undeclared duplicate:" in fault for fault in faults)
    others = len(faults) - lost - twice
    bound = f"{3 / judged:.2%}".replace("%", " %")
    print(
        f"{judged:,} faults, {lost} lost, {twice} undeclared duplicates, {others} other failures,"
        f" bound 3/n = {bound}"
    )
    return 1 if faults or is_late else 0


def tell_gaps(gaps_s: list[tuple[str, float]]) -> bool:
    """How long nothing was accepted, by the server's fault of a round, or its process's.

    Returns whether deaths of leaders keep the limit.
    """
    p95_s = 0.0
    for kind in dict.fromkeys(name for name, _ in gaps_s):
        found = sorted(gap for name, gap in gaps_s if name == kind)
        p95 = found[ceil(0.95 * len(found)) - 1]
        p95_s = p95 if kind == LEADERS_DEATH else p95_s
        print(
            f"nothing accepted, {kind}: n = {len(found)}, median {median(found):.1f} s,"
            f" p95 {p95:.1f} s, most {found[-1]:.1f} s"
        )
    return p95_s <= GAP_S


if __name__ == "__main__":
    sys.exit(main())
