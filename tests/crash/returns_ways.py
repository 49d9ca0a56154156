"""How the crash points of what comes back are reached: mail that was taken comes back later."""

import smtplib
from contextlib import suppress

from tests.crash import received
from tests.crash.stage import BOUNCE_DOMAIN
from tests.crash.workload import Workload
from tests.returned_mail import bounce

LATEST = 12
NOBODYS_FAULT = "5.3.4"


def came_back(work: Workload) -> None:
    """Some of the latest mails come back: too big, which suppresses nobody."""
    work.item("email")
    told = work.stage.announced()
    if told is None:
        return
    host, _, port = told.bounces.rpartition(":")
    with (
        suppress(OSError, smtplib.SMTPException),
        smtplib.SMTP(host, int(port), timeout=10) as relay,
    ):
        for sender in taken(work)[-LATEST:]:
            place, _, mac = sender.partition("@")[0].removeprefix("b+").partition("=")
            relay.sendmail("", [sender], bounce(NOBODYS_FAULT, envelope_id=f"{place}.{mac}"))


def taken(work: Workload) -> list[str]:
    """The return paths of what the relay has taken: nothing else can come back."""
    mails = [one for one in received.read(work.stage.record) if one.taken]
    return [one.sender for one in mails if one.sender.endswith(f"@{BOUNCE_DOMAIN}")]
