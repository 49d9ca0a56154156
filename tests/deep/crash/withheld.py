"""A `loa` command that kills itself once the act is stored that keeps an issue back.

It is not carried out then. An issue is asked about at once, not half a minute after its time.
"""

import os
from datetime import timedelta
from pathlib import Path

from consumers.bulletins import withholding
from consumers.cli import main
from contracts.base.crash_points import arm
from tests.deep.crash.launch import DEATHS, KillAtPoint

if __name__ == "__main__":
    withholding._GRACE = timedelta()
    deaths = Path(os.environ["LOA_DATA_DIR"]).with_name(DEATHS)
    arm(KillAtPoint("editorial.stored", 1, deaths))
    main()
