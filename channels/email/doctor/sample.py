"""A mail like any other, to be looked at and, on request, sent."""

from datetime import datetime

from channels.email.build import House
from channels.email.doctor.finding import texts
from channels.email.preview import row
from channels.email.render import Rendered
from channels.email.window import Envelope
from contracts.publication import Publication


def publication(house: House, now: datetime) -> Publication:
    """An item of the first topic and unit that this Loa knows."""
    said = texts()["sample"]
    words = house.vocabulary
    return Publication.model_validate(
        {
            "action": "published",
            "content_id": f"thu-kiem-tra-{now:%Y%m%d%H%M%S}",
            "revision": 1,
            "unit": next(iter(words.units)),
            "topic": next(iter(words.topics)),
            "title": said["title"],
            "summary": said["summary"],
            "body": said["body"],
            "first_released_at": now,
            "released_at": now,
            "event_id": "kiem-tra",
        }
    )


def envelope(house: House, now: datetime, to: str) -> Envelope:
    """The mail, built as all are. Raises guard.Unsafe for an address that is none."""
    item = publication(house, now)
    return Rendered(item, house).envelope(row(item, address=to))
