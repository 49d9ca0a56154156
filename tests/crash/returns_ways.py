"""How the crash points of what comes back are reached: a relay that tells its story until a yes."""

import smtplib
from contextlib import suppress

from channels.email.return_path import ReturnPaths
from consumers.vault import KeyFile
from tests.crash.stage import BOUNCE_DOMAIN
from tests.crash.workload import Workload
from tests.returned_mail import bounce

LATEST, ROWS = 12, 20
NOBODYS_FAULT = "5.3.4"


def came_back(work: Workload) -> None:
    """Some reader's mail of every item comes back: too big, which suppresses nobody."""
    work.item("email")
    told = work.stage.announced()
    if told is None:
        return
    paths = ReturnPaths(
        KeyFile.open(work.stage.data / "vault.key").derive("return path"), BOUNCE_DOMAIN
    )
    host, _, port = told.bounces.rpartition(":")
    with (
        suppress(OSError, smtplib.SMTPException),
        smtplib.SMTP(host, int(port), timeout=10) as relay,
    ):
        for number in range(max(1, work.number - LATEST), work.number + 1):
            place = f"p{number}.0.{work.rng.randrange(ROWS)}"
            sender, envelope = (one.decode() for one in paths.path(place))
            relay.sendmail("", [sender], bounce(NOBODYS_FAULT, envelope_id=envelope))
