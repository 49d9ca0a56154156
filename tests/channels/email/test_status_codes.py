"""The table of status codes, and return paths that lead back to a row and can't be forged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Verdict
from channels.email import status_codes
from channels.email.return_path import ReturnPaths
from channels.email.status_codes import CodeClass
from consumers.ledger import row_ref as places
from consumers.ledger.row_ref import RowRef

PATHS = ReturnPaths(b"k" * 32, "Tra-Lai.moha.example")
OTHERS = ReturnPaths(b"x" * 32, "tra-lai.moha.example")
FAILED, HELD, DEFERRED = Verdict.FAILED, Verdict.HELD, Verdict.DEFERRED
CLASSES = [
    (CodeClass.ACCEPTED, Verdict.DELIVERED, "2.0.0"),
    (CodeClass.TEMPORARY, DEFERRED, "4.2.2 4.4.1"),
    (CodeClass.GREYLISTED, DEFERRED, "4.7.1"),
    (CodeClass.THROTTLED, DEFERRED, "4.7.0 4.7.10 4.7.28 4.7.500"),
    (CodeClass.UNKNOWN_CAUSE, FAILED, "5.0.0 5.1.0 5.1.11 5.2.0"),
    (CodeClass.NO_MAILBOX, FAILED, "5.1.1 5.1.2 5.1.3 5.1.6 5.1.10 5.2.1"),
    (CodeClass.MAILBOX_FULL, FAILED, "5.2.2"),
    (CodeClass.CONTENT, FAILED, "5.2.3 5.3.4 5.6.7"),
    (CodeClass.PROTOCOL_FAULT, FAILED, "5.4.4"),
    (CodeClass.PROTOCOL_FAULT, HELD, "5.5.1"),
    (CodeClass.POLICY, HELD, "5.1.7 5.1.8 5.7.1 5.7.26 5.7.515"),
]
BOUNCED = [
    (CodeClass.MAILBOX_FULL, "4.2.2"),
    (CodeClass.UNKNOWN_CAUSE, "4.4.1"),
    (CodeClass.THROTTLED, "4.7.0"),
    (CodeClass.GREYLISTED, "4.7.1"),
    (CodeClass.NO_MAILBOX, "5.1.1"),
    (CodeClass.POLICY, "5.7.26"),
    (CodeClass.UNKNOWN_CAUSE, ""),
    (CodeClass.UNKNOWN_CAUSE, "9.9.9"),
]
numbers = (st.integers(0, most) for most in (2**63 - 1, 9_999_999, 9999))
place_of = st.builds(RowRef, st.sampled_from("pnd"), *numbers)


def written(place: RowRef) -> str:
    return f"{place.kind}{place.seq}.{place.batch}.{place.row}"


@pytest.mark.parametrize(("meaning", "verdict", "codes"), CLASSES)
def test_what_a_code_means_and_what_it_makes_of_a_row(meaning, verdict, codes):
    assert {status_codes.classify(code) for code in codes.split()} == {(meaning, verdict)}


@pytest.mark.parametrize(("meaning", "code"), BOUNCED)
def test_what_a_code_means_once_a_mail_has_come_back_for_good(meaning, code):
    assert status_codes.classify_bounce(code) is meaning


@pytest.mark.parametrize("code", ["", "5", "3.1.1", "51.1", "x"])
def test_what_is_no_code_is_not_judged(code):
    with pytest.raises(LookupError):
        status_codes.classify(code)


@given(place_of)
def test_a_return_path_leads_back_to_its_row_and_fits(place):
    text = written(place)
    sender, envelope_id = (one.decode() for one in PATHS.return_path(text))
    local = sender.rpartition("@")[0]
    assert len(local) <= 64
    assert PATHS.row_ref_of_address(sender) == text
    assert PATHS.row_ref_of_address(sender.upper()) == text, "servers change the case"
    assert PATHS.row_ref_of_envelope_id(envelope_id) == text
    assert RowRef.parse(text) == place
    assert OTHERS.row_ref_of_address(sender) is None
    assert OTHERS.row_ref_of_envelope_id(envelope_id) is None


@given(place_of, st.integers(0, 200), st.sampled_from("0123456789abcdefgp.=+"))
def test_a_return_path_in_which_one_sign_is_changed_leads_nowhere(place, at, sign):
    address = PATHS.return_path(written(place))[0].decode()
    local, _, domain = address.rpartition("@")
    at %= len(local)
    forged = f"{local[:at]}{sign}{local[at + 1 :]}@{domain}"
    assert forged == address or PATHS.row_ref_of_address(forged) is None


@given(st.text(max_size=100))
def test_anything_else_leads_nowhere_and_is_no_box(text):
    assert PATHS.row_ref_of_address(text) is None
    assert PATHS.row_ref_of_envelope_id(text) is None
    assert not PATHS.is_reports_address(text)


def test_a_path_of_another_domain_is_not_ours():
    address = PATHS.return_path("p1.2.3")[0].decode()
    assert PATHS.row_ref_of_address(address.replace("moha", "mohb")) is None
    assert PATHS.is_reports_address("B@tra-lai.moha.example")


@pytest.mark.parametrize("text", ["", "p1.2", "x1.2.3", "p-1.2.3", "p1.2.3.4", "p1.2.３"])
def test_what_names_no_place_is_refused(text):
    with pytest.raises(ValueError, match="not a place"):
        RowRef.parse(text)


def test_the_places_of_a_batch():
    assert places.row_ref_prefix("p", 17, 4) == "p17.4."
    assert places.row_ref_prefix("n", 0, 0) == "", "what lies in no stream"
