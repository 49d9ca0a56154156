"""The sample ministry of `loa demo --desk`: its texts, people and items."""

import time

import pytest

from channels.fetch.url_policy import parse_policy
from channels.fetch.webhook import WebhookClient
from consumers.callbacks.administration import EndpointAdministration
from consumers.callbacks.endpoints import EndpointCipher, EndpointStore
from consumers.callbacks.status_store import StatusStore
from consumers.cli.sample.items import TEXTS, read_campaign, read_items, read_sample_text
from consumers.cli.sample.people import Credentials, read_people
from consumers.cli.sample.receiver import open_receiver
from consumers.cli.sample.sender import UNIT, move_receiver
from consumers.key_file import KeyFile
from consumers.staff.accounts import Account
from consumers.staff.policy import ObjectFacts, Verdict, default_policy
from contracts import events
from contracts.base.times import utc_time
from contracts.campaigns.plan import TOPIC
from contracts.cloudevent import CloudEvent
from contracts.editorial import Status
from contracts.vocabulary import DEFAULT

NAMES = sorted(path.stem for path in TEXTS.glob("*.md"))
WITH_WARNING = {"35-chi-so-cai-cach": "title_cut"}
"""The text that shows what a title is that Zalo cuts."""
POWERS = ("write", "confirm", "read-drafts")
BY_LOA_ALONE = {"dinh-chinh", "ho-so", *(one.topic for one in DEFAULT.bulletins.values())}
"""Topics that no text of the sample has; those of bulletins are of issues."""


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


def test_a_leader_of_a_unit_that_only_co_operates_reads_the_campaign_alone():
    plan, policy = read_campaign(), default_policy()
    facts = ObjectFacts(plan.unit, TOPIC, partners=tuple(plan.partners))
    people = read_people(sorted({item.unit for item in read_items()}))
    leaders = [one for one in people if one.grants[0].role == "lanh-dao-don-vi"]
    may = set()
    for one in leaders:
        person = Account(id=one.login, state="active", created=utc_time(0), **dict(one))
        rulings = {what: policy.is_allowed(person, what, facts).verdict for what in POWERS}
        may.add(tuple(what for what in POWERS if rulings[what] is Verdict.ALLOWED))
    assert may == {("read-drafts",), POWERS}, "the leader of all units may do all"


def test_each_sample_has_credentials_of_its_own():
    one, other = Credentials.new(), Credentials.new()
    assert one.password != other.password and one.secret != other.secret


async def test_the_receiver_is_called_where_it_is_in_this_run(bus, tmp_path):
    keys, own = KeyFile.open(tmp_path / "vault.key"), "https://he-thong.example.gov.vn/loa"
    cipher = EndpointCipher(keys.derive)
    parts = EndpointStore(bus), StatusStore(bus), cipher, lambda _: None, time.time
    for url in ("http://127.0.0.1:1/loa", own):
        await EndpointAdministration(*parts).add(UNIT, url, (), "can-bo@example.org")
    async with open_receiver() as receiver:
        await move_receiver(bus, keys, receiver)
        listed = await EndpointStore(bus).of_unit(UNIT)
        urls = {cipher.decrypt(one.key, one.endpoint.url) for one in listed}
        assert urls == {str(receiver), own}
        assert str(receiver.origin()) in {one.endpoint.origin for one in listed}
        client = WebhookClient(parse_policy(receiver.authority))
        async with client.session() as http:
            assert (await client.post(http, str(receiver), {}, b"{}")).status == 204
