"""The sample of a signature and the receiver's check in docs/callbacks.md are right."""

import re

import pytest

from channels.fetch.webhook_signature import create_secret, signed_headers
from contracts.facts import content_status
from tests.support.repository import ROOT

BLOCKS = re.findall(r"```(\w*)\n(.*?)```", (ROOT / "docs" / "callbacks.md").read_text(), re.S)
[CHECK] = [text for language, text in BLOCKS if language == "python"]
[SAMPLE] = [text for language, text in BLOCKS if text.startswith("whsec_")]
SECRET, BODY, HEADERS = SAMPLE.strip().split("\n\n")
HEAD = dict(line.split(": ", 1) for line in HEADERS.splitlines())
AT = int(HEAD["webhook-timestamp"])


@pytest.fixture
def is_from_loa():
    names: dict = {}
    exec(CHECK, names)
    return names["is_from_loa"]


def test_the_sample_is_what_loa_sends():
    assert signed_headers(HEAD["webhook-id"], AT, BODY.encode(), [SECRET]) == HEAD
    fact = content_status.decode(BODY.encode())
    assert content_status.encode(fact) == BODY.encode() and fact.id == HEAD["webhook-id"]


def test_the_receivers_check_takes_the_sample_and_refuses_every_other_thing(is_from_loa):
    assert is_from_loa(SECRET, HEAD, BODY.encode(), AT + 300)
    assert not is_from_loa(SECRET, HEAD, BODY.encode(), AT + 301)
    assert not is_from_loa(SECRET, HEAD, BODY.encode(), AT - 301)
    assert not is_from_loa(SECRET, HEAD, BODY.encode()), "of long ago"
    assert not is_from_loa(create_secret(), HEAD, BODY.encode(), AT)
    assert not is_from_loa(SECRET, HEAD, BODY.encode() + b"\n", AT)
    for name, value in (("webhook-id", "x"), ("webhook-timestamp", f"{AT + 1}")):
        assert not is_from_loa(SECRET, HEAD | {name: value}, BODY.encode(), AT)


def test_the_receivers_check_takes_the_older_of_two_secrets(is_from_loa):
    both = signed_headers(HEAD["webhook-id"], AT, BODY.encode(), [create_secret(), SECRET])
    assert is_from_loa(SECRET, both, BODY.encode(), AT)
