"""How the crash points of what comes back are reached: mail that was taken comes back later."""

import smtplib
from contextlib import suppress

from tests.deep.crash import received_mail
from tests.deep.crash.environment import BOUNCE_DOMAIN
from tests.deep.crash.workload import Workload
from tests.support.bounce_mails import bounce_mail

LATEST = 12
NOBODYS_FAULT = "5.3.4"


def bounce_some(work: Workload) -> None:
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
        for sender in accepted_return_paths(work)[-LATEST:]:
            place, _, mac = sender.partition("@")[0].removeprefix("b+").partition("=")
            relay.sendmail("", [sender], bounce_mail(NOBODYS_FAULT, envelope_id=f"{place}.{mac}"))


def accepted_return_paths(work: Workload) -> list[str]:
    """The return paths of what the relay has taken: nothing else can come back."""
    mails = [one for one in received_mail.read_record(work.stage.record) if one.is_accepted]
    return [one.sender for one in mails if one.sender.endswith(f"@{BOUNCE_DOMAIN}")]
