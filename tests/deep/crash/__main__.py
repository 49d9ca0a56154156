"""`make crash`: a thousand deaths at every named point, and a verdict.

python -m tests.deep.crash [KILLS] [--seed SEED] [--point NAME] [--only NUMBER] [--keep FOLDER]
"""

import sys

from tests.deep.crash.campaign import Report, play
from tests.deep.crash.command import CampaignCommand
from tests.deep.crash.schedule import POINTS, plan_runs

KILLS = 1000
COMMAND = CampaignCommand("crash", "point", "kills", Report, play)


def main() -> int:
    options = COMMAND.arguments(KILLS, sorted({*POINTS}))
    print("needs Linux and what `make install` installs; 1,000 take 10 minutes on two idle cores")
    points = (options.kind,) if options.kind else POINTS
    return COMMAND.verdict(*COMMAND.run(plan_runs(options.number, options.seed, points), options))


if __name__ == "__main__":
    sys.exit(main())
