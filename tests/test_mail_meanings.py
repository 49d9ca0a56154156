"""The table of status codes, and return paths that lead back to a row and can't be forged."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.base import Verdict
from channels.email import meanings
from channels.email.meanings import Meaning
from channels.email.return_path import ReturnPaths
from consumers.mail import place as places
from consumers.mail.place import Place

PATHS = ReturnPaths(b"k" * 32, "Tra-Lai.moha.example")
OTHERS = ReturnPaths(b"x" * 32, "tra-lai.moha.example")
FAILED, HELD, DEFERRED = Verdict.FAILED, Verdict.HELD, Verdict.DEFERRED
SEEN = {
    "2.0.0": (Meaning.ACCEPTED, Verdict.DELIVERED),
    "4.2.2": (Meaning.LATER, DEFERRED),
    "4.4.1": (Meaning.LATER, DEFERRED),
    "4.7.0": (Meaning.SLOWER, DEFERRED),
    "4.7.1": (Meaning.GREY, DEFERRED),
    "4.7.10": (Meaning.SLOWER, DEFERRED),
    "4.7.500": (Meaning.SLOWER, DEFERRED),
    "4.7.28": (Meaning.SLOWER, DEFERRED),
    "5.0.0": (Meaning.OTHER, FAILED),
    "5.1.0": (Meaning.OTHER, FAILED),
    "5.1.1": (Meaning.GONE, FAILED),
    "5.1.2": (Meaning.GONE, FAILED),
    "5.1.3": (Meaning.GONE, FAILED),
    "5.1.6": (Meaning.GONE, FAILED),
    "5.1.7": (Meaning.POLICY, HELD),
    "5.1.8": (Meaning.POLICY, HELD),
    "5.1.10": (Meaning.GONE, FAILED),
    "5.1.11": (Meaning.OTHER, FAILED),
    "5.2.0": (Meaning.OTHER, FAILED),
    "5.2.1": (Meaning.GONE, FAILED),
    "5.2.2": (Meaning.FULL, FAILED),
    "5.2.3": (Meaning.CONTENT, FAILED),
    "5.3.4": (Meaning.CONTENT, FAILED),
    "5.4.4": (Meaning.FAULT, FAILED),
    "5.5.1": (Meaning.FAULT, HELD),
    "5.6.7": (Meaning.CONTENT, FAILED),
    "5.7.1": (Meaning.POLICY, HELD),
    "5.7.26": (Meaning.POLICY, HELD),
    "5.7.515": (Meaning.POLICY, HELD),
}
RETURNED = {
    "4.2.2": Meaning.FULL,
    "4.4.1": Meaning.OTHER,
    "4.7.0": Meaning.SLOWER,
    "4.7.1": Meaning.GREY,
    "5.1.1": Meaning.GONE,
    "5.7.26": Meaning.POLICY,
    "": Meaning.OTHER,
    "9.9.9": Meaning.OTHER,
}
place_of = st.builds(
    Place,
    st.sampled_from("pnd"),
    st.integers(0, 2**63 - 1),
    st.integers(0, 9_999_999),
    st.integers(0, 9999),
)


def written(place: Place) -> str:
    return f"{place.kind}{place.seq}.{place.batch}.{place.row}"


@pytest.mark.parametrize("code", SEEN)
def test_what_a_code_means_and_what_it_makes_of_a_row(code):
    assert meanings.judge(code) == SEEN[code]


@pytest.mark.parametrize("code", RETURNED)
def test_what_a_code_means_once_a_mail_has_come_back_for_good(code):
    assert meanings.returned(code) is RETURNED[code]


@pytest.mark.parametrize("code", ["", "5", "3.1.1", "51.1", "x"])
def test_what_is_no_code_is_not_judged(code):
    with pytest.raises(LookupError):
        meanings.judge(code)


@given(place_of)
def test_a_return_path_leads_back_to_its_row_and_fits(place):
    text = written(place)
    sender, envelope_id = (one.decode() for one in PATHS.path(text))
    local = sender.rpartition("@")[0]
    assert len(local) <= 64
    assert PATHS.place(sender) == text
    assert PATHS.place(sender.upper()) == text, "servers change the case"
    assert PATHS.place_of_envelope(envelope_id) == text
    assert Place.parse(text) == place
    assert OTHERS.place(sender) is None
    assert OTHERS.place_of_envelope(envelope_id) is None


@given(place_of, st.integers(0, 200), st.sampled_from("0123456789abcdefgp.=+"))
def test_a_return_path_in_which_one_sign_is_changed_leads_nowhere(place, at, sign):
    address = PATHS.path(written(place))[0].decode()
    local, _, domain = address.rpartition("@")
    at %= len(local)
    forged = f"{local[:at]}{sign}{local[at + 1 :]}@{domain}"
    assert forged == address or PATHS.place(forged) is None


@given(st.text(max_size=100))
def test_anything_else_leads_nowhere_and_is_no_box(text):
    assert PATHS.place(text) is None
    assert PATHS.place_of_envelope(text) is None
    assert not PATHS.is_box(text)


def test_a_path_of_another_domain_is_not_ours():
    address = PATHS.path("p1.2.3")[0].decode()
    assert PATHS.place(address.replace("moha", "mohb")) is None
    assert PATHS.is_box("B@tra-lai.moha.example")


@pytest.mark.parametrize("text", ["", "p1.2", "x1.2.3", "p-1.2.3", "p1.2.3.4", "p1.2.３"])
def test_what_names_no_place_is_refused(text):
    with pytest.raises(ValueError, match="not a place"):
        Place.parse(text)


def test_the_places_of_a_batch():
    assert places.prefix(17, 4, personal=False) == "p17.4."
    assert places.prefix(17, 0, personal=True) == "n17.0."
    assert places.prefix(17, 3, personal=False, digest=True) == "d17.3."
    assert places.prefix(0, 0, personal=True) == "", "what lies in no stream"
