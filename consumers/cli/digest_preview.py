"""`loa mail preview --digest`: the next digest, before it is cut."""

import time
from pathlib import Path
from typing import Any

from channels.email.build import House
from channels.email.preview import digest_preview
from consumers.app.settings import LoaSettings, read
from consumers.cli.answers import explained, on_bus, print_json
from consumers.cli.digests import calendar
from consumers.cli.mail_files import facts, tell
from consumers.digests.outlook import Forecast
from consumers.faults import fault
from consumers.ledger.store import Ledger
from consumers.readers.people import People
from consumers.readers.wishes import as_kept
from consumers.vault import belonging
from contracts.digest import FREQUENCIES, Digest
from contracts.errors import Invalid
from contracts.subscriber import Subscriber
from producers.bus import Bus

ALL, ONE = "everybody", "reader"


def show(whose: str, house: House, out: Path | None, *, as_json: bool) -> None:
    """Show or write the mail of a rhythm's next digest, or of a reader's own."""

    async def find(bus: Bus) -> tuple[Digest, int]:
        forecast = Forecast(bus, Ledger(bus), await calendar(bus), time.time)
        if whose in FREQUENCIES:
            return await forecast.of_all(whose)
        return await forecast.of_reader(await reader(bus, whose))

    digest, picks = on_bus(find)
    kind = ALL if whose in FREQUENCIES else ONE
    with explained():
        mails = facts({kind: digest_preview(digest, house, picks)}, out, digest.key)
    if as_json:
        print_json(about(digest, picks) | {"mails": mails})
    else:
        tell(mails)


async def reader(bus: Bus, whose: str) -> Subscriber:
    """By address or by id. Raises Invalid for nobody's."""
    people = People.opened(bus, await belonging(bus, read(LoaSettings).key_file))
    address, wrong = as_kept(whose) if "@" in whose else ("", ())
    if wrong:
        raise Invalid(*wrong)
    one = await (people.by_address(address) if address else people.by_id(whose))
    if one is None:
        raise Invalid(fault("digest", "digest_of_nobody"))
    return one


def about(digest: Digest, picks: int) -> dict[str, Any]:
    issue = digest.issue
    chosen = (item for number, item in enumerate(issue.items) if picks >> number & 1)
    return {
        "digest_id": issue.digest_id,
        "frequency": issue.frequency,
        "next": issue.due.isoformat(),
        "items": [item.content_id for item in chosen],
    }
