"""`make cluster-crash`: three hundred faults in clusters with Loa at work, and a verdict.

    python -m tests.deep.cluster [FAULTS] [--seed SEED] [--fault NAME] [--only NUMBER] [--keep DIR]

The exit code is also 1 when nothing is accepted for too long after the deaths of leaders.
"""

import sys
from collections import Counter
from math import ceil
from statistics import median

from tests.deep.cluster.campaign import ClusterReport, play
from tests.deep.cluster.faults import FAULTS
from tests.deep.cluster.schedule import plan_runs
from tests.deep.crash.command import CampaignCommand
from tests.support import requirements

NUMBER = 300
GAP_S = 10.0
"""How long nothing may be accepted after a leader's death, in 95 of 100 of them."""
LEADERS_DEATH = "kill-leader"
COMMAND = CampaignCommand("cluster-crash", "fault", "faults", ClusterReport, play)


def main() -> int:
    options = COMMAND.arguments(NUMBER, sorted(FAULTS))
    if not requirements.can_mount():
        print("no disk fills up in this run: that needs root, and the right to mount a tmpfs")
    hands = plan_runs(options.number, options.seed, (options.kind,) if options.kind else ())
    reports, wanted = COMMAND.run(hands, options)
    kinds = Counter(name for report in reports for name in report.deaths)
    print(", ".join(f"{name} {times}" for name, times in kinds.most_common()))
    if ends := [end for report in reports for end in report.ends]:
        print(f"ended by themselves, and started again: {', '.join(ends)}")
    is_late = not tell_gaps([gap for report in reports for gap in report.gaps_s])
    return COMMAND.verdict(reports, wanted) or int(is_late)


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
