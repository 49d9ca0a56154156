"""An issue as an event: every door takes one that fits its number, its series and its own parts."""

from datetime import datetime

import pytest
from pydantic import ValidationError

from contracts import events
from contracts.bulletins import composition, editing
from contracts.errors import Forbidden, Invalid
from contracts.publication import decode, encode
from contracts.vocabulary import DEFAULT, Vocabulary
from tests.support.bulletin_history import SERIES, SERIES_ID, a_released_item, propose
from tests.support.minimal_event import error_fields, submitted
from tests.support.publications import a_publication


def issue_data(issue=None, **changes):
    issue = issue or propose(a_released_item())
    return {
        "content_id": issue.content_id,
        "revision": 1,
        "topic": SERIES.topic,
        "title": composition.title_of(issue, SERIES.name),
        "body": composition.body_of(issue),
        "bulletin": issue.model_dump(mode="json"),
        **changes,
    }


def test_an_issue_passes_the_door_and_keeps_its_parts():
    issue = propose(a_released_item())
    found = events.check(submitted(**issue_data(issue)), DEFAULT)
    assert found.bulletin == issue


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"content_id": "ban-tin-khac"}, "data.bulletin"),
        ({"topic": "lich-nghi-le"}, "data.topic"),
        ({"body": "Một nội dung khác."}, "data.body"),
    ],
)
def test_an_issue_that_does_not_fit_is_refused_by_name(changes, field):
    assert list(error_fields(submitted(**issue_data(**changes)))) == [field]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"series": "ban-tin-la"}, "data.bulletin.series"),
        ({"first_day": "28/09/2026"}, "data.bulletin.first_day"),
        ({"last_day": "2027-01-03"}, "data.bulletin"),
        ({"number": 0}, "data.bulletin.number"),
    ],
)
def test_a_wrong_part_of_an_issue_is_named(changes, field):
    data = issue_data()
    data["bulletin"] |= changes
    if changes.get("series"):
        data["content_id"] = data["content_id"].replace(SERIES_ID, changes["series"])
    assert list(error_fields(submitted(**data))) == [field]


def test_only_the_unit_of_the_bulletin_sends_its_issues():
    event = submitted(**issue_data())
    event = event.model_copy(update={"source": "he-thong-noi-bo"})
    events.check_sender(event, SERIES.unit, DEFAULT)
    with pytest.raises(Forbidden):
        events.check_sender(event, "van-phong-bo", DEFAULT)


def test_what_was_accepted_before_is_read_whatever_its_body():
    event = submitted(**issue_data(body="Như bản trước của Loa soạn."))
    assert events.read(event, DEFAULT, is_new=False).bulletin


def test_a_day_as_a_number_is_refused_but_read_where_it_was_accepted_before():
    event = submitted(**issue_data())
    issue = event.data["bulletin"]
    first = datetime.fromisoformat(f"{issue['first_day']}T00:00:00Z")
    as_number = issue | {"first_day": int(first.timestamp())}
    event = event.model_copy(update={"data": dict(event.data) | {"bulletin": as_number}})
    with pytest.raises(Invalid) as refused:
        events.read(event, DEFAULT)
    assert "data.bulletin.first_day" in [one.field for one in refused.value.errors]
    old = events.read(event, DEFAULT, is_new=False)
    assert str(old.bulletin.first_day) == issue["first_day"]


def test_a_publication_carries_the_issue_and_one_without_has_its_bytes():
    issue = editing.compiled_by(propose(a_released_item()), "Lê An")
    released = a_publication(content_id=issue.content_id, bulletin=issue)
    assert decode(encode(released)).bulletin == issue
    assert b"bulletin" not in encode(a_publication())


@pytest.mark.parametrize(
    "changes",
    [{"topic": "la"}, {"unit": "la"}, {"audiences": ["la"]}, {"topic": "cai-cach-hanh-chinh"}],
)
def test_a_series_of_unknown_words_or_that_gathers_itself_is_refused(changes):
    values = DEFAULT.model_dump(mode="json")
    with pytest.raises(ValidationError):
        Vocabulary.model_validate(
            {**values, "bulletins": {"ban-tin": SERIES.model_dump() | changes}}, strict=False
        )


def test_a_vocabulary_without_bulletins_has_none():
    words = Vocabulary.parse('[units]\n[topics.a]\nname="A"\nenglish="A"\n'
                             '[audiences.b]\nname="B"\nenglish="B"\n')  # fmt: skip
    assert words.bulletins == {}
    with pytest.raises(Invalid):
        events.check(submitted(**issue_data()), words)
