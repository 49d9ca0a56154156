"""The least that an event may say, and what the door answers to it."""

from datetime import UTC, datetime

import pytest

from contracts import envelope, events
from contracts.errors import Invalid
from contracts.publication import Publication
from contracts.testing import sample
from contracts.vocabulary import DEFAULT

MINIMAL = {
    "content_id": "lich-nghi-tet-2027",
    "revision": 1,
    "topic": "lich-nghi-le",
    "title": "Lịch nghỉ Tết",
    "body": "Nội dung.",
}
NOW = datetime(2026, 11, 24, 1, 0, tzinfo=UTC)


def decoded(kind="submitted", **changes):
    return envelope.from_structured(sample(kind, **changes))


def submitted(**changes):
    event = sample() | {"data": MINIMAL | changes}
    del event["subject"]
    return envelope.from_structured(event)


def decoded_data(event):
    return events.check(event, DEFAULT)


def error_fields(event):
    with pytest.raises(Invalid) as caught:
        decoded_data(event)
    return {error.field: error.message for error in caught.value.errors}


def a_publication(**changes):
    fields = {"action": "published", "unit": "van-phong-bo", "event_id": "e" * 26}
    moments = {"first_released_at": NOW, "released_at": NOW}
    return Publication.model_validate(MINIMAL | fields | moments | changes)
