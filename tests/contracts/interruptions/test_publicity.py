"""An interruption is announced to the public, and stays announced until it is expected to end."""

from datetime import datetime, timedelta

import pytest

from contracts.base.working_days import default_working_days
from contracts.content import Submitted
from contracts.errors import Invalid
from contracts.interruptions.announcement import Announcement
from contracts.interruptions.notice_period import check_announced
from contracts.interruptions.publicity import find_hidden
from contracts.testing import sample
from contracts.text.moments import VIETNAM
from tests.support.interruptions import an_interruption

BEGINS = datetime(2026, 12, 20, 22, tzinfo=VIETNAM)
ENDS = BEGINS + timedelta(hours=6)
LAWFUL = {"audiences": [], "channels": ["portal"], "not_before": None, "expires_at": None}


def fields_of(changes, **facts) -> list[str]:
    """The fields that *changes* of a lawful announcement make wrong, by a text and by a draft."""
    stated = an_interruption(BEGINS, **facts)
    data = sample(interruption=stated, **LAWFUL | changes)["data"]
    texts = Submitted.model_validate(data), Announcement.read(data)
    of_text, of_draft = ([one.field for one in find_hidden(text)] for text in texts)
    assert of_text == of_draft
    return of_text


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"channels": ["zalo", "portal"], "broadcast": {"ages": ["18-24"]}},
        {"audiences": ["to-chuc"]},
        {"audiences": ["can-bo", "cong-dan"]},
        {"expires_at": ENDS.isoformat()},
    ],
)
def test_what_the_public_reads_until_the_end_is_lawful(changes):
    assert fields_of(changes) == []


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"channels": ["email"]}, "data.channels"),
        ({"channels": ["zalo"], "broadcast": {"ages": ["18-24"]}}, "data.channels"),
        ({"audiences": ["can-bo", "vien-chuc"]}, "data.audiences"),
        ({"expires_at": (ENDS - timedelta(minutes=1)).isoformat()}, "data.expires_at"),
        ({"expires_at": (BEGINS - timedelta(days=10)).isoformat()}, "data.expires_at"),
    ],
)
def test_what_hides_an_announcement_is_named_by_its_field(changes, field):
    assert fields_of(changes) == [field]
    assert fields_of(changes, force_majeure="Bão số 9") == [field], "nor does force majeure excuse"
    assert fields_of(changes, resumed_at=ENDS.isoformat()) == [], "the end announces nothing"


def test_all_that_is_wrong_is_told_at_once_in_both_languages():
    hidden = {"channels": ["email"], "audiences": ["can-bo"]}
    data = sample(interruption=an_interruption(BEGINS), **LAWFUL | hidden)["data"]
    with pytest.raises(Invalid) as refused:
        check_announced(Submitted.model_validate(data), BEGINS, default_working_days())
    told = {one.field: (one.message, one.message_vi) for one in refused.value.errors}
    assert [*told] == ["data.channels", "data.audiences", "data.interruption.begins_at"]
    for words in (told["data.channels"], told["data.audiences"]):
        assert all("224/2026" in said for said in words)
