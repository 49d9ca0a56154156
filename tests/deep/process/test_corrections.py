"""A wrong text goes out, is corrected, is taken back: on every channel, and across kills."""

import json

import pytest

from tests.support.gateway_client import sample_event
from tests.support.loa_process import LoaProcess, complete, wait_until

NAMED = ("--by", "An", "--yes")
ITEM = "muc-ho-tro-moi"
WRONG, RIGHT = "viec-lam", "lich-nghi-le"
"""The topics of the wrong and of the right text: they have different followers."""
READERS = {
    "ca-hai": "",
    "chi-de-tai-sai": WRONG,
    "chi-de-tai-dung": RIGHT,
    "khong-lien-quan": "cai-cach-hanh-chinh",
}
REASON = "Số liệu chưa được công bố"
SETTLING_S = 400
"""Span in which rows sent at a kill are settled; a withdrawal waits for them."""


def an_event(id: str, kind: str = "submitted", **data):
    return sample_event(kind, id=id, content_id=ITEM, **data)


def take_in(loa: LoaProcess, *names: str) -> None:
    loa.add_readers(*(f"{name}@example.com,,{READERS[name]},,," for name in names))


def mails(loa: LoaProcess, since: int = 0) -> dict[str, object]:
    """Mails of each reader after the first *since*, oldest first.

    A mail that was on its way at a kill may lie there twice, under the same name.
    """
    parsed = [*{(one["Delivered-To"], one["Message-ID"]): one for one in loa.mails()}.values()]
    parsed = parsed[since:]
    found = {mail["Delivered-To"].partition("@")[0]: mail for mail in parsed}
    assert len(found) == len(parsed), "somebody got two"
    return found


def kill_and_go_on(loa: LoaProcess) -> None:
    loa.kill()
    loa.start()


def page(loa: LoaProcess) -> str:
    return loa.page(f"/tin/{ITEM}")[1]


@pytest.fixture
def loa(tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.add_unit()
        yield loa


@pytest.mark.promise("7.2", "7.3")
def test_exactly_those_who_got_the_wrong_text_are_told_on_every_channel(loa):
    take_in(loa, "ca-hai", "chi-de-tai-sai", "khong-lien-quan")
    loa.post(an_event("s-1", body="Mức hỗ trợ là 5 triệu đồng.", topic=WRONG))
    loa.trace_when_complete(ITEM, 1)
    wrong = mails(loa)
    assert set(wrong) == {"ca-hai", "chi-de-tai-sai"}
    assert "5 triệu" in page(loa)

    take_in(loa, "chi-de-tai-dung")
    text = {"revision": 2, "corrects_revision": 1, "topic": RIGHT, "title": "Mức hỗ trợ mới"}
    second = loa.post(an_event("s-2", "corrected", body="Mức hỗ trợ là 3 triệu đồng.", **text))
    assert second.status == 202, second
    kill_and_go_on(loa)
    loa.trace_when_complete(ITEM, 2)
    told = mails(loa, since=2)
    assert set(told) == {"ca-hai", "chi-de-tai-sai", "chi-de-tai-dung"}
    for name in wrong:
        assert told[name]["Subject"].startswith("Đính chính")
        assert told[name]["In-Reply-To"] == wrong[name]["Message-ID"]
        assert wrong[name]["Message-ID"] in told[name]["References"]
    assert told["chi-de-tai-dung"]["In-Reply-To"] is None
    assert not told["chi-de-tai-dung"]["Subject"].startswith("Đính chính")
    assert "5 triệu" not in page(loa) and "Đính chính" in page(loa)
    (article,) = loa.sandbox("state")["articles"]
    assert "3 triệu" in json.dumps(article["body"], ensure_ascii=False)

    assert loa.cli("withdraw", ITEM, "--reason", REASON, *NAMED).exit_code == 0
    kill_and_go_on(loa)
    wait_until(lambda: loa.trace(ITEM).get("state") == "withdrawn", "the withdrawal")
    wait_until(lambda: complete(loa.trace(ITEM)), "the withdrawal everywhere", SETTLING_S)
    taken_back = mails(loa, since=5)
    assert set(taken_back) == set(told), "those who got one of the texts, and nobody else"
    status, gone = loa.page(f"/tin/{ITEM}")
    assert status == 410 and REASON in gone and "3 triệu" not in gone
    state = loa.sandbox("state")
    assert [one["status"] for one in state["articles"]] == ["hide"]
    assert len(state["broadcasts"]) <= 1
    assert loa.violations() == []
