"""Command of a campaign: its options, its folders two at a time, and the verdict.

    [NUMBER] [--seed SEED] [--point NAME or --fault NAME] [--only NUMBER] [--keep FOLDER]

A failure is printed with its seed, the commit and how to repeat it; exit code 1.
A folder that did not come to its end was not judged: the last line then says INCOMPLETE.
"""

import argparse
import secrets
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Generic, TypeVar

from tests.deep.crash.campaign import Report, log_errors_only
from tests.deep.crash.environment import ROOT
from tests.deep.crash.schedule import CampaignRun

AT_ONCE = 2
R = TypeVar("R", bound=Report)


@dataclass(frozen=True)
class CampaignCommand(Generic[R]):
    """A target of make: how one folder is played, and the words for what strikes it."""

    target: str
    option: str  # the choice of one kind alone
    strikes: str
    report: type[R]
    play: Callable[[str, list[str], Path], R]

    def arguments(self, number: int, kinds: Sequence[str]) -> argparse.Namespace:
        """The command line: `number`, `seed`, `kind`, `only` and `keep`."""
        parser = argparse.ArgumentParser(prog=f"make {self.target}")
        parser.add_argument("number", metavar=self.strikes, nargs="?", type=int, default=number)
        parser.add_argument("--seed", default=secrets.token_hex(4))
        parser.add_argument(f"--{self.option}", dest="kind", choices=kinds, help="only this kind")
        parser.add_argument("--only", type=int, help="only this folder of the run")
        parser.add_argument("--keep", type=Path, help="where the folders are to stay")
        return parser.parse_args()

    def run(self, hands: list[CampaignRun], options: argparse.Namespace) -> tuple[list[R], int]:
        """Play *hands*; their reports, and how many strikes they hold."""
        if options.only is not None:
            hands = [hands[options.only]]
        head = f"seed {options.seed}, commit {commit()}: {len(hands)} folders"
        print(f"{head}, {AT_ONCE} at a time", flush=True)
        with tempfile.TemporaryDirectory(prefix=f"loa-{self.target}-") as folder:
            reports = list(self.play_all(hands, options.keep or Path(folder), options))
        return reports, sum(len(hand.points) for hand in hands)

    def play_all(
        self, hands: list[CampaignRun], folder: Path, options: argparse.Namespace
    ) -> Iterator[R]:
        """Play the hands, some at a time, and tell of each as it ends."""
        began, strikes = time.monotonic(), 0
        with ProcessPoolExecutor(AT_ONCE, get_context("spawn"), log_errors_only) as pool:
            played = {
                pool.submit(self.play, hand.seed, hand.points, folder / str(hand.number)): hand
                for hand in hands
            }
            for done in as_completed(played):
                hand, error = played[done], done.exception()
                report = self.crashed(hand, error) if error else done.result()
                strikes += len(report.deaths)
                minutes = (time.monotonic() - began) / 60
                print(f"{minutes:5.1f} min, {strikes:5} {self.strikes}, {found(hand, report)}")
                for fault in report.faults:
                    print(self.failure(fault, hand, options))
                sys.stdout.flush()
                yield report

    def crashed(self, hand: CampaignRun, error: BaseException) -> R:
        """A campaign that could not even report: a mistake of ours, or one that Loa has led to."""
        lines = "".join(traceback.format_exception(error))
        return self.report(hand.seed, faults=[f"the runner failed:\n{lines}"])

    def failure(self, fault: str, hand: CampaignRun, options: argparse.Namespace) -> str:
        again = f"{options.number} --seed {options.seed} --only {hand.number}"
        again += f" --{self.option} {options.kind}" if options.kind else ""
        head = f"FAILED seed {hand.seed}, commit {commit()}, {fault}"
        return f"{head}\n  again: make {self.target} ARGS='{again}'"

    def verdict(self, reports: Sequence[Report], wanted: int) -> int:
        """The exit code; the last line says it all."""
        judged = sum(len(report.deaths) for report in reports if report.judged)
        if judged < wanted or not all(report.judged for report in reports):
            print(f"INCOMPLETE: {judged:,} of {wanted:,} {self.strikes} judged")
            return 1
        faults = [fault for report in reports for fault in report.faults]
        lost = sum("lost:" in fault or "unfinished:" in fault for fault in faults)
        twice = sum("undeclared duplicate:" in fault for fault in faults)
        others = len(faults) - lost - twice
        bound = f"{3 / judged:.2%}".replace("%", " %")
        print(
            f"{judged:,} {self.strikes}, {lost} lost, {twice} undeclared duplicates,"
            f" {others} other failures, bound 3/n = {bound}"
        )
        return 1 if faults else 0


def found(hand: CampaignRun, report: Report) -> str:
    """A line that tells how a folder ended."""
    if not report.faults:
        return f"folder {hand.number}: nothing wrong"
    struck = " ".join(report.deaths)
    return f"folder {hand.number}: {len(report.faults)} FAILURES; died at {struck}"


def commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
    described = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    return described.stdout.strip() or "unknown"
