"""CloudEvents to be read: a small one, all others that are allowed, and how a fault is caught."""

from datetime import UTC

import pytest
from hypothesis import strategies as st

from contracts.cloudevent import CloudEvent
from contracts.errors import ContractError

EVENT = {
    "specversion": "1.0",
    "id": "số 5",
    "source": "/units/van-phong-bo",
    "type": "vn.gov.moha.content.submitted.v1",
    "data": {"title": "Bộ Nội vụ"},
}
JSON = "application/json"

visible = st.text(
    st.characters(
        codec="utf-8",
        exclude_categories=("Cc", "Cs", "Zl", "Zp"),
        exclude_characters="\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069",
    ).filter(lambda c: not (0xFDD0 <= ord(c) <= 0xFDEF or c in "\ufffe\uffff")),
    min_size=1,
    max_size=40,
)
plain_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), inner, max_size=3)
    ),
    max_leaves=8,
)
extension_names = st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
    lambda name: name not in {*CloudEvent.model_fields}
)
cloud_events = st.builds(
    CloudEvent,
    specversion=st.just("1.0"),
    id=visible,
    source=st.from_regex(r"/[a-z0-9/-]{0,40}", fullmatch=True),
    type=visible,
    subject=st.none() | visible,
    time=st.none()
    | st.datetimes(timezones=st.just(UTC)).filter(lambda moment: 1970 < moment.year < 2200),
    datacontenttype=st.just(JSON),
    dataschema=st.none() | st.just("https://moha.gov.vn/schema#1"),
    data=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=5), plain_json, max_size=3),
    extensions=st.dictionaries(
        extension_names, visible | st.integers(-(2**31), 2**31 - 1), max_size=3
    ),
)


def event(**changes):
    return {name: value for name, value in (EVENT | changes).items() if value != "absent"}


def error_of(call, *arguments, **named):
    with pytest.raises(ContractError) as caught:
        call(*arguments, **named)
    return caught.value


def field_names(error):
    return [found.field for found in error.errors]
