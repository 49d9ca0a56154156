"""Contents of an event about one person's dossier."""

import pytest

from contracts import events
from contracts.case import CONDITIONAL_FIELDS, REQUIRED_FIELDS, STATUS_NAMES
from contracts.errors import Invalid
from contracts.vocabulary import DEFAULT
from tests.support.minimal_event import decoded, error_fields


def test_a_case_event_is_a_contract_and_closed_at_the_door():
    event = decoded("updated")
    assert list(error_fields(event)) == ["type"]
    assert events.read(event, DEFAULT).case_code == event.data["case_code"]


@pytest.mark.parametrize("status", STATUS_NAMES)
def test_each_status_requires_what_its_notice_says(status):
    nothing = dict.fromkeys(CONDITIONAL_FIELDS)
    event = decoded("updated", **nothing, status=status)
    required = {f"data.{name}" for name in REQUIRED_FIELDS.get(status, ())}
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
        ({"case_code": "G٠٩.20-20260609-0092637"}, "case_code"),
        ({"receiving_unit": "G٠٩"}, "receiving_unit"),
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
