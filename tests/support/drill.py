"""Size of the drills that send many mails: a small one as a rule, more when asked for by hand."""

import os

MAILS = int(os.environ.get("LOA_TEST_MAILS", 0))
"""Mails to send at least; 0: as few as the drill needs."""
PATIENCE_S = 300 + MAILS // 100
"""How long a test waits for something that may take as long as the mails."""
