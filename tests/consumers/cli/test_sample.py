"""The sample ministry of `loa demo --desk`: its texts, people and items."""

import pytest

from consumers.cli.sample.items import TEXTS, read_items, read_sample_text
from consumers.cli.sample.people import Credentials, read_people
from consumers.staff.policy import default_policy
from contracts import events
from contracts.cloudevent import CloudEvent
from contracts.editorial import Status
from contracts.vocabulary import DEFAULT

NAMES = sorted(path.stem for path in TEXTS.glob("*.md"))
WITH_WARNING = {"35-chi-so-cai-cach": "title_cut"}
"""The text that shows what a title is that Zalo cuts."""
BY_LOA_ALONE = {"dinh-chinh", "ho-so"}
"""Topics that no text of the desk has."""


def test_there_are_fifty_texts_of_every_topic():
    assert len(NAMES) == 50
    topics = {read_sample_text(name)["topic"] for name in NAMES}
    assert topics == DEFAULT.topics.keys() - BY_LOA_ALONE


@pytest.mark.parametrize("name", NAMES)
def test_a_text_is_taken_without_warnings(name):
    data = {"content_id": name, "revision": 1, **read_sample_text(name)}
    kind = events.SUBMITTED
    if "reason" in data:
        kind, data = events.CORRECTED, data | {"corrects_revision": 1, "revision": 2}
    event = CloudEvent(
        specversion="1.0", id="1", source="/units/van-phong-bo", type=kind, data=data
    )
    warnings = events.find_warnings(events.check(event, DEFAULT))
    assert {one.code for one in warnings} == {*WITH_WARNING.get(name, "").split()}


def test_each_role_has_an_account_and_each_status_an_item():
    roles = {grant.role for one in read_people(["van-phong-bo"]) for grant in one.grants}
    assert roles == default_policy().file.roles.keys()
    plan = read_items()
    named = {item.text for item in plan} | {item.correction for item in plan} - {""}
    assert named == {*NAMES}
    assert {item.status for item in plan} == {*Status} - {Status.APPROVED}
    assert {item.unit for item in plan} <= {
        one for one in DEFAULT.units if DEFAULT.knows("unit", one)
    }


def test_each_sample_has_credentials_of_its_own():
    one, other = Credentials.new(), Credentials.new()
    assert one.password != other.password and one.secret != other.secret
