"""Contents of each event: defaults, bounds, and the rules between fields."""

import json
import unicodedata
from datetime import timedelta

import pytest

from contracts import events
from contracts.content import Submitted
from contracts.delivery import ChannelName, Lane
from contracts.errors import Forbidden, Invalid
from contracts.vocabulary import DEFAULT
from tests.support.minimal_event import MINIMAL, NOW, decoded, decoded_data, error_fields, submitted
from tests.support.schemas import DATA, accepts

LOOSER_IN_SCHEMA = {"topic", "audiences.0", "author", "not_before"}
"""Words of the vocabulary, encoded words, and times without a zone."""

# --- what units send


def test_the_least_event_has_the_promised_defaults():
    assert decoded_data(submitted()).model_dump() == MINIMAL | {
        "language": "vi",
        "summary": "",
        "audiences": (),
        "channels": (ChannelName.PORTAL, ChannelName.EMAIL, ChannelName.ZALO),
        "lane": Lane.NORMAL,
        "author": None,
        "cover": None,
        "links": (),
        "attachments": (),
        "not_before": None,
        "expires_at": None,
        "broadcast": None,
    }


def test_null_means_not_given_where_the_default_is_null():
    nulls = ("author", "cover", "links", "attachments", "not_before", "expires_at", "broadcast")
    assert decoded_data(submitted(**dict.fromkeys(nulls))) == decoded_data(submitted())


@pytest.mark.parametrize("kind", ["submitted", "corrected", "withdrawn"])
def test_a_sample_passes_the_door_and_keeps_what_it_said(kind):
    event = decoded(kind)
    kept = json.loads(decoded_data(event).model_dump_json())
    for name, value in event.data.items():
        if name not in ("not_before", "expires_at"):
            assert kept[name] == value


def test_text_is_stored_composed_however_it_was_typed():
    title = unicodedata.normalize("NFD", "Bộ Nội vụ công bố thủ tục mới")
    assert decoded_data(submitted(title=title)).title == "Bộ Nội vụ công bố thủ tục mới"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"content_id": "Hoa"}, "content_id"),
        ({"content_id": "-a"}, "content_id"),
        ({"content_id": "a" * 65}, "content_id"),
        ({"content_id": "a.b"}, "content_id"),
        ({"content_id": "a\n"}, "content_id"),
        ({"revision": 0}, "revision"),
        ({"revision": True}, "revision"),
        ({"revision": "1"}, "revision"),
        ({"title": ""}, "title"),
        ({"title": "x" * 301}, "title"),
        ({"title": "Tin\r\nBcc: ai-do@example.com"}, "title"),
        ({"title": "a\u202eb"}, "title"),
        ({"title": "Ðà Nẵng"}, "title"),
        ({"author": "=?utf-8?q?x?="}, "author"),
        ({"summary": "x" * 501}, "summary"),
        ({"body": ""}, "body"),
        ({"body": "x" * 100_001}, "body"),
        ({"body": None}, "body"),
        ({"body": "a\x00"}, "body"),
        ({"language": "Vi"}, "language"),
        ({"topic": "khong-co"}, "topic"),
        ({"audiences": ["nguoi-dan"]}, "audiences.0"),
        ({"audiences": ["can-bo", "can-bo"]}, "audiences"),
        ({"channels": []}, "channels"),
        ({"channels": ["sms"]}, "channels.0"),
        ({"channels": ["email", "email"]}, "channels"),
        ({"lane": "fast"}, "lane"),
        ({"cover": {"url": "https://moha.gov.vn/a.jpg"}}, "cover.alt"),
        ({"cover": {"url": "x", "alt": "Ảnh"}}, "cover.url"),
        ({"links": [{"url": "https://moha.gov.vn", "title": "a", "rel": "b"}]}, "links.0.rel"),
        ({"links": [{"url": "https://moha.gov.vn", "title": "a"}] * 21}, "links"),
        ({"links": [{"url": "ftp://x", "title": "a"}]}, "links.0.url"),
        ({"links": [{"url": "https://a@b", "title": "a"}]}, "links.0.url"),
        (
            {"attachments": [{"url": "https://a.vn", "title": "a", "size": -1}]},
            "attachments.0.size",
        ),
        ({"not_before": "24/11/2026"}, "not_before"),
        ({"not_before": "2026-11-24T08:00:00"}, "not_before"),
        ({"corrects_revision": 1}, "corrects_revision"),
        ({"ma_tin": 1}, "ma_tin"),
    ],
)
def test_a_wrong_field_is_named(changes, field):
    assert list(error_fields(submitted(**changes))) == [f"data.{field}"]
    if field not in LOOSER_IN_SCHEMA:
        assert not accepts(DATA, MINIMAL | changes), "the published schema refuses it, too"


def test_everything_wrong_is_named_at_once():
    wrong = submitted(title="", topic="khong-co", audiences=["ai-do"], them=1)
    names = {"title", "topic", "audiences.0", "them"}
    assert error_fields(wrong).keys() == {f"data.{name}" for name in names}


@pytest.mark.parametrize("missing", MINIMAL)
def test_a_required_field_is_required(missing):
    event = submitted()
    data = {name: value for name, value in event.data.items() if name != missing}
    assert list(error_fields(event.model_copy(update={"data": data}))) == [f"data.{missing}"]


def test_an_item_ends_after_it_begins():
    begins, ends = "2026-11-24T08:00:00+07:00", "2026-11-24T01:00:00Z"  # the same moment
    assert error_fields(submitted(not_before=begins, expires_at=ends)) == {
        "data.expires_at": "must be later than not_before"
    }


@pytest.mark.parametrize(
    ("revision", "corrects", "field"),
    [
        (1, 1, "revision"),
        (2, 2, "corrects_revision"),
        (3, 4, "corrects_revision"),
        (2, 0, "corrects_revision"),
    ],
)
def test_a_correction_is_newer_than_what_it_corrects(revision, corrects, field):
    wrong = error_fields(decoded("corrected", revision=revision, corrects_revision=corrects))
    assert f"data.{field}" in wrong


@pytest.mark.parametrize(
    "data", [{"reason": ""}, {"reason": "x" * 501}, {"reason": "a\nb"}, {"reason": None}]
)
def test_a_withdrawal_says_why(data):
    assert list(error_fields(decoded("withdrawn", **data))) == ["data.reason"]


def test_unknown_fields_are_refused_at_the_door():
    event = submitted(them=1, cover={"url": "https://moha.gov.vn/a.jpg", "alt": "Ảnh", "them": 2})
    assert error_fields(event).keys() == {"data.them", "data.cover.them"}


def test_the_subject_is_the_content_id_or_nothing():
    event = submitted().model_copy(update={"subject": "tin-khac"})
    assert list(error_fields(event)) == ["subject"]
    assert decoded_data(event.model_copy(update={"subject": MINIMAL["content_id"]}))


# --- who sends


@pytest.mark.parametrize(
    "source",
    [
        "/units/trung-tam-cong-nghe-thong-tin",
        "/units/trung-tam-thong-tin",
        "https://cms.moha.gov.vn",
        "/he-thong",
    ],
)
def test_a_unit_speaks_for_itself(source):
    event = submitted().model_copy(update={"source": source})
    events.check_sender(event, "trung-tam-cong-nghe-thong-tin", DEFAULT)


@pytest.mark.parametrize(
    "source",
    ["//units/van-phong-bo", "units/van-phong-bo", "/Units/van-phong-bo", "/./units/x",
     "/%75nits/x", "/a/../units/van-phong-bo", "///UNITS//van-phong-bo"],
)  # fmt: skip
def test_a_source_names_a_unit_in_one_spelling_alone(source):
    with pytest.raises(Invalid) as caught:
        events.check_source_spelling(source)
    assert [error.field for error in caught.value.errors] == ["source"]


@pytest.mark.parametrize(
    "source",
    ["/units/van-phong-bo", "https://x.vn/units/1", "urn:units:x", "/cms/units/x", "/"],
)
def test_a_source_that_names_no_unit_is_the_senders_own(source):
    events.check_source_spelling(source)


@pytest.mark.parametrize("named", ["vu-phap-che", "khong-co", ""])
def test_a_unit_does_not_speak_for_another(named):
    event = submitted().model_copy(update={"source": f"/units/{named}"})
    with pytest.raises(Forbidden) as caught:
        events.check_sender(event, "van-phong-bo", DEFAULT)
    assert [error.field for error in caught.value.errors] == ["source"]


@pytest.mark.parametrize(
    ("unit", "said"),
    [
        ("khong-co", "khong-co is not a unit"),
        ("thanh-tra-bo", "no longer exists (last day: 07/07/2026)"),
        ("trung-tam-thong-tin", "use trung-tam-cong-nghe-thong-tin"),
    ],
)
def test_a_unit_that_is_not_there_cannot_publish(unit, said):
    with pytest.raises(Invalid) as caught:
        events.check_sender(submitted(), unit, DEFAULT)
    assert said in str(caught.value)


def test_python_code_may_build_contracts_from_its_own_types():
    times = {"not_before": NOW, "expires_at": NOW + timedelta(days=1)}
    built = Submitted(**MINIMAL, channels=[ChannelName.EMAIL], **times)
    assert built.channels == ("email",)
