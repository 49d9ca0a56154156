"""The same event a hundred times at once, and again after a restart, is one event."""

import json
from concurrent.futures import ThreadPoolExecutor

import feedparser
import pytest

from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess, RelayProcess

READERS = 7


@pytest.mark.promise("2.1")
def test_one_event_posted_a_hundred_times_reaches_every_channel_once(tmp_path):
    event = sample_event()
    content_id = event["data"]["content_id"]
    with RelayProcess(tmp_path) as relay, LoaProcess(tmp_path, **relay.settings) as loa:
        loa.add_unit()
        loa.readers(READERS)
        answers = post_at_once(loa, event, 100)
        first = loa.trace_of_event(answers[0].body["event_id"])
        assert loa.stop() == 0, "a clean stop is no failure"
        loa.start()
        answers += post_at_once(loa, event, 100)
        assert {answer.status for answer in answers} == {202}
        assert len({json.dumps(answer.body) for answer in answers}) == 1, "always the same answer"
        changed = loa.post(event | {"data": event["data"] | {"title": "Một tiêu đề khác"}})
        assert (changed.status, changed.body["errors"][0]["field"]) == (409, "id")
        story = loa.trace_of_event(answers[0].body["event_id"])
        assert story["channels"] == first["channels"]
        assert loa.zalo_effects() == {"article": 1, "broadcast": 1}
        assert sorted(mail for mail, _ in relay.accepted_mails()) == sorted(
            f"nguoi{number}@example.com" for number in range(READERS)
        )
        assert feed_ids(loa).count(f"{loa.ready().url}/tin/{content_id}") <= 1
        assert [content_id in one for one in feed_ids(loa)] == [True]
        assert loa.violations() == []


def post_at_once(loa: LoaProcess, event, count: int):
    with ThreadPoolExecutor(20) as pool:
        return list(pool.map(lambda _: loa.post(event), range(count)))


def feed_ids(loa: LoaProcess) -> list[str]:
    path = loa.data / "portal" / "public" / "nguon-tin" / "tat-ca.rss"
    feed = feedparser.parse(path.read_bytes())
    assert not feed.bozo
    return [entry.id for entry in feed.entries]
