"""`make crash`: a thousand deaths at every named point, and a verdict.

    python -m tests.deep.crash [KILLS] [--seed SEED] [--point NAME] [--only NUMBER] [--keep FOLDER]

A failure is printed with its seed, the commit, the crash point and how to repeat it; exit code 1.
A folder that did not come to its end was not judged: the last line then says INCOMPLETE.
"""

import argparse
import secrets
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path

from tests.deep.crash.campaign import Report, log_errors_only, play
from tests.deep.crash.environment import ROOT
from tests.deep.crash.schedule import POINTS, CampaignRun, plan_runs

AT_ONCE = 2
KILLS = 1000


def main() -> int:
    options = arguments()
    points = (options.point,) if options.point else POINTS
    hands = plan_runs(options.kills, options.seed, points)
    if options.only is not None:
        hands = [hands[options.only]]
    print(f"seed {options.seed}, commit {commit()}: {len(hands)} folders, {AT_ONCE} at a time")
    print("needs Linux and what `make install` installs; 1,000 take 10 minutes on two idle cores")
    with tempfile.TemporaryDirectory(prefix="loa-crash-") as folder:
        reports = list(run(hands, options.keep or Path(folder), options))
    return verdict(reports, options.kills if options.only is None else len(hands[0].points))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.deep.crash")
    parser.add_argument("kills", nargs="?", type=int, default=KILLS)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("--point", choices=sorted({*POINTS}), help="only this point")
    parser.add_argument("--only", type=int, help="only this folder of the run")
    parser.add_argument("--keep", type=Path, help="where the folders are to stay")
    return parser.parse_args()


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    described = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"


def run(hands: list[CampaignRun], folder: Path, options: argparse.Namespace) -> Iterable[Report]:
    """Play the hands, two at a time, and tell of each as it ends."""
    began, kills = time.monotonic(), 0
    with ProcessPoolExecutor(AT_ONCE, get_context("spawn"), log_errors_only) as pool:
        played = {
            pool.submit(play, hand.seed, hand.points, folder / str(hand.number)): hand
            for hand in hands
        }
        for done in as_completed(played):
            hand, error = played[done], done.exception()
            report = crashed_report(hand, error) if error else done.result()
            kills += len(report.deaths)
            minutes, found = (time.monotonic() - began) / 60, "nothing wrong"
            if report.faults:
                found = f"{len(report.faults)} FAILURES; died at {' '.join(report.deaths)}"
            print(f"{minutes:5.1f} min, {kills:5} kills, folder {hand.number}: {found}")
            for fault in report.faults:
                print(failure(fault, hand, options))
            sys.stdout.flush()
            yield report


def crashed_report(hand: CampaignRun, error: BaseException) -> Report:
    """A campaign that could not even report: a mistake of ours, or one that Loa has led to."""
    lines = "".join(traceback.format_exception(error))
    return Report(hand.seed, faults=[f"the runner failed:\n{lines}"])


def failure(fault: str, hand: CampaignRun, options: argparse.Namespace) -> str:
    again = f"{options.kills} --seed {options.seed} --only {hand.number}"
    if options.point:
        again += f" --point {options.point}"
    return (
        f"FAILED seed {hand.seed}, commit {commit()}, {fault}\n  again: make crash ARGS='{again}'"
    )


def verdict(reports: list[Report], wanted: int) -> int:
    """The last line says it all."""
    kills = sum(len(report.deaths) for report in reports if report.judged)
    faults = [fault for report in reports for fault in report.faults]
    lost = sum("lost:" in fault or "unfinished:" in fault for fault in faults)
    twice = sum("undeclared duplicate:" in fault for fault in faults)
    if others := len(faults) - lost - twice:
        print(f"{others} other failures")
    if kills < wanted or not all(report.judged for report in reports):
        print(f"INCOMPLETE: {kills:,} of {wanted:,} kills judged")
        return 1
    bound = f"{3 / kills:.2%}".replace("%", " %")
    print(f"{kills:,} kills, {lost} lost, {twice} undeclared duplicates, bound 3/n = {bound}")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
