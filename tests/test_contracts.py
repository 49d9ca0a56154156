"""What each event may say: defaults, bounds, and the rules between fields."""

import json
import unicodedata
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

import contracts
from contracts import envelope, events, publication
from contracts.case import CONDITIONAL, REQUIRED, STATUS_NAMES
from contracts.content import Submitted
from contracts.delivery import ChannelName, Lane
from contracts.errors import ContractError, Forbidden, Invalid, explain
from contracts.publication import Publication
from contracts.subscriber import Subscriber, matches
from contracts.testing import KIND_NAMES, sample
from contracts.vocabulary import DEFAULT

LEAST = {
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
    event = sample() | {"data": LEAST | changes}
    del event["subject"]
    return envelope.from_structured(event)


def said(event, **options):
    return events.check(event, DEFAULT, **options)


def faults(event, **options):
    with pytest.raises(Invalid) as caught:
        said(event, **options)
    return {error.field: error.message for error in caught.value.errors}


def a_publication(**changes):
    fields = {"action": "published", "unit": "van-phong-bo", "event_id": "e" * 26}
    moments = {"first_released_at": NOW, "released_at": NOW}
    return Publication.model_validate(LEAST | fields | moments | changes)


# --- what units send


def test_the_least_event_has_the_promised_defaults():
    assert said(submitted()).model_dump() == LEAST | {
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
    assert said(submitted(**dict.fromkeys(nulls))) == said(submitted())


@pytest.mark.parametrize("kind", ["submitted", "corrected", "withdrawn"])
def test_a_sample_passes_the_door_and_keeps_what_it_said(kind):
    event = decoded(kind)
    kept = json.loads(said(event).model_dump_json())
    for name, value in event.data.items():
        if name not in ("not_before", "expires_at"):
            assert kept[name] == value


def test_text_is_stored_composed_however_it_was_typed():
    title = unicodedata.normalize("NFD", "Bộ Nội vụ công bố thủ tục mới")
    assert said(submitted(title=title)).title == "Bộ Nội vụ công bố thủ tục mới"


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
        ({"title": "x" * 151}, "title"),
        ({"title": "Tin\r\nBcc: ai-do@example.com"}, "title"),
        ({"author": "=?utf-8?q?x?="}, "author"),
        ({"summary": "x" * 501}, "summary"),
        ({"body": " \n"}, "body"),
        ({"body": "x" * 100_001}, "body"),
        ({"body": None}, "body"),
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
        (
            {"attachments": [{"url": "https://moha.gov.vn", "title": "a", "size": -1}]},
            "attachments.0.size",
        ),
        ({"not_before": "24/11/2026"}, "not_before"),
        ({"not_before": "2026-11-24T08:00:00"}, "not_before"),
        ({"corrects_revision": 1}, "corrects_revision"),
        ({"ma_tin": 1}, "ma_tin"),
    ],
)
def test_a_wrong_field_is_named(changes, field):
    assert list(faults(submitted(**changes))) == [f"data.{field}"]


def test_everything_wrong_is_named_at_once():
    wrong = submitted(title="", topic="khong-co", audiences=["ai-do"], them=1)
    assert faults(wrong).keys() == {"data.title", "data.topic", "data.audiences.0", "data.them"}


@pytest.mark.parametrize("missing", LEAST)
def test_a_required_field_is_required(missing):
    event = submitted()
    data = {name: value for name, value in event.data.items() if name != missing}
    assert list(faults(event.model_copy(update={"data": data}))) == [f"data.{missing}"]


def test_an_item_ends_after_it_begins():
    begins, ends = "2026-11-24T08:00:00+07:00", "2026-11-24T01:00:00Z"  # the same moment
    assert faults(submitted(not_before=begins, expires_at=ends)) == {
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
    wrong = faults(decoded("corrected", revision=revision, corrects_revision=corrects))
    assert f"data.{field}" in wrong


@pytest.mark.parametrize(
    "data", [{"reason": ""}, {"reason": "x" * 501}, {"reason": "a\nb"}, {"reason": None}]
)
def test_a_withdrawal_says_why(data):
    assert list(faults(decoded("withdrawn", **data))) == ["data.reason"]


def test_unknown_fields_are_refused_at_the_door_and_ignored_inside():
    event = submitted(them=1, cover={"url": "https://moha.gov.vn/a.jpg", "alt": "Ảnh", "them": 2})
    assert faults(event).keys() == {"data.them", "data.cover.them"}
    assert said(event, door=False).cover.alt == "Ảnh"


def test_an_unknown_type_is_named():
    event = submitted().model_copy(update={"type": "vn.gov.moha.content.submitted.v2"})
    assert "content.submitted.v2" in faults(event)["type"]


def test_the_subject_is_the_content_id_or_nothing():
    event = submitted().model_copy(update={"subject": "tin-khac"})
    assert list(faults(event)) == ["subject"]
    assert said(event.model_copy(update={"subject": LEAST["content_id"]}))


@pytest.mark.parametrize(("event_type", "kind"), list(zip(events.KINDS, KIND_NAMES, strict=True)))
def test_a_kind_is_the_last_word_of_its_type(event_type, kind):
    assert events.kind_of(event_type) == kind


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
        ("thanh-tra-bo", "no longer exists (until 2026-07-07)"),
        ("trung-tam-thong-tin", "use trung-tam-cong-nghe-thong-tin"),
    ],
)
def test_a_unit_that_is_not_there_cannot_publish(unit, said):
    with pytest.raises(Invalid) as caught:
        events.check_sender(submitted(), unit, DEFAULT)
    assert said in str(caught.value)


# --- one person's dossier


def test_a_case_event_is_a_contract_and_closed_at_the_door():
    event = decoded("updated")
    assert list(faults(event)) == ["type"]
    assert said(event, door=False).content_id == events.read(event, DEFAULT).content_id


@pytest.mark.parametrize("status", STATUS_NAMES)
def test_each_status_requires_what_its_notice_says(status):
    nothing = dict.fromkeys(CONDITIONAL)
    event = decoded("updated", **nothing, status=status)
    required = {f"data.{name}" for name in REQUIRED.get(status, ())}
    try:
        events.read(event, DEFAULT)
    except Invalid as error:
        assert {fault.field for fault in error.errors} == required
    else:
        assert not required


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"case_code": "20260609-1"}, "case_code"),
        ({"status": 11}, "status"),
        ({"status": "2"}, "status"),
        ({"contact": {"consent": True}}, "contact"),
        ({"contact": {"email": "a@example.com"}}, "contact.consent"),
        ({"contact": {"email": "a@example.com", "consent": False}}, "contact.consent"),
        ({"contact": {"email": "a@b", "consent": True}}, "contact.email"),
        ({"contact": {"phone": "01234567890", "consent": True}}, "contact.phone"),
        ({"contact": {"zalo_user_id": "x", "consent": True}}, "contact.zalo_user_id"),
        ({"receiving_unit": "Bộ Nội vụ"}, "receiving_unit"),
        ({"applicant_kind": 0}, "applicant_kind"),
        ({"notice": "apology"}, "new_due_at"),
        ({"cccd": "1"}, "cccd"),
    ],
)
def test_a_wrong_case_field_is_named(changes, field):
    with pytest.raises(Invalid) as caught:
        events.read(decoded("updated", **changes), DEFAULT)
    assert [error.field for error in caught.value.errors] == [f"data.{field}"]


@pytest.mark.parametrize("code", ["G09.20-20260609-0092637", "000.00.00.H56-220915-0012"])
def test_both_forms_of_a_case_code_are_read(code):
    assert events.read(decoded("updated", case_code=code), DEFAULT).case_code == code


@pytest.mark.parametrize("phone", ["0912345678", "84912345678", "+84 912 345 678", "0912.345.678"])
def test_a_mobile_number_becomes_the_form_zalo_takes(phone):
    contact = {"phone": phone, "consent": True}
    assert events.read(decoded("updated", contact=contact), DEFAULT).contact.phone == "84912345678"


def test_an_old_unit_code_becomes_the_new_one():
    read = events.read(decoded("updated", receiving_unit="000.00.00.G09"), DEFAULT)
    assert read.receiving_unit == "G09"


# --- what Loa releases


def test_a_publication_comes_back_as_it_went_out():
    sent = a_publication(
        **{name: value for name, value in sample()["data"].items() if name != "body"}
    )
    body = publication.encode(sent)
    assert publication.decode(body) == sent
    assert publication.encode(publication.decode(body)) == body


def test_a_publication_on_the_bus_is_a_cloud_event():
    event = envelope.from_structured(publication.encode(a_publication()))
    assert (event.type, event.id, event.subject) == (
        publication.RELEASED,
        "lich-nghi-tet-2027.1",
        "lich-nghi-tet-2027",
    )


def test_a_reader_ignores_fields_that_came_later():
    event = json.loads(publication.encode(a_publication()))
    event["data"]["mood"] = "vui"
    assert publication.decode(json.dumps(event).encode()) == a_publication()


@pytest.mark.parametrize("change", [{"type": "x"}, {"data": {}}])
def test_what_is_no_publication_is_refused(change):
    event = json.loads(publication.encode(a_publication())) | change
    with pytest.raises(ContractError):
        publication.decode(json.dumps(event).encode())


def test_the_largest_event_still_makes_a_publication_that_can_be_read():
    body = "ộ" * 86_000
    event = envelope.from_structured(
        json.dumps(sample(body=body), ensure_ascii=False, separators=(",", ":")).encode()
    )
    assert len(envelope.to_structured(event)) > envelope.EVENT_BYTES - 4000
    released = a_publication(**said(event).model_dump())
    assert publication.decode(publication.encode(released)).body == body


def test_contracts_are_frozen():
    with pytest.raises(ValidationError) as caught:
        a_publication().title = "khác"
    assert caught.value.errors()[0]["type"] == "frozen_instance"


# --- who wants it


def a_subscriber(**wishes):
    return Subscriber.model_validate({"id": "s1", "email": "a@example.com"} | wishes)


@pytest.mark.parametrize(
    ("wishes", "about", "wanted"),
    [
        ({}, {}, True),
        ({"active": False}, {}, False),
        ({"topics": ["lich-nghi-le", "viec-lam"]}, {}, True),
        ({"topics": ["viec-lam"]}, {}, False),
        ({"units": ["van-phong-bo"]}, {}, True),
        ({"units": ["vu-phap-che"]}, {}, False),
        ({"audiences": ["cong-dan"]}, {}, True),
        ({"audiences": ["cong-dan"]}, {"audiences": ["cong-dan", "to-chuc"]}, True),
        ({"audiences": ["cong-dan"]}, {"audiences": ["to-chuc"]}, False),
        ({}, {"audiences": ["to-chuc"]}, True),
        ({"topics": ["lich-nghi-le"], "units": ["vu-phap-che"]}, {}, False),
    ],
)
def test_within_a_wish_any_value_matches_and_between_wishes_all_must(wishes, about, wanted):
    assert matches(a_subscriber(**wishes), a_publication(**about)) is wanted


def test_a_reader_has_an_address_and_a_known_rhythm():
    for wrong, field in (({"frequency": "hourly"}, "frequency"), ({"email": ""}, "event")):
        with pytest.raises(ValidationError) as caught:
            a_subscriber(**wrong)
        assert [error.field for error in explain(caught.value)] == [field]


def test_what_the_rhythm_was_before_its_last_change_is_remembered():
    day = timedelta(days=1)
    first, later = datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 3, 9, tzinfo=UTC)
    one = a_subscriber().told("weekly", first)
    assert one.told("weekly", later) == one
    assert [one.frequency_at(at) for at in (first - day, first)] == ["immediate", "weekly"]
    again = one.told("daily", later)
    assert (again.frequency, again.frequency_since) == ("daily", later)
    assert again.frequency_at(later - day) == "weekly"


def test_of_whoever_left_only_the_id_and_the_proof_of_consent_remain():
    consent = {"version": "1", "at": "2026-03-01T00:00:00Z"}
    one = a_subscriber(name="An", topics=("viec-lam",), consent=consent)
    left = one.gone(datetime(2026, 3, 9, tzinfo=UTC))
    kept = left.model_dump(exclude_defaults=True)
    assert kept.keys() == {"id", "active", "consent", "left_at"}
    assert Subscriber.model_validate_json(left.model_dump_json()) == left


# --- the face of the package


def test_the_face_is_sorted_and_true():
    upper, camel, lower = (
        [name for name in contracts.__all__ if kind(name)]
        for kind in (str.isupper, lambda n: n[0].isupper() and not n.isupper(), str.islower)
    )
    assert contracts.__all__ == sorted(upper) + sorted(camel) + sorted(lower)
    assert all(hasattr(contracts, name) for name in contracts.__all__)


def test_python_code_may_build_contracts_from_its_own_types():
    built = Submitted(
        **LEAST
        | {
            "channels": [ChannelName.EMAIL],
            "not_before": NOW,
            "expires_at": NOW + timedelta(days=1),
        }
    )
    assert built.channels == ("email",)
