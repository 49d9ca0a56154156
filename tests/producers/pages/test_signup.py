"""Subscribing on the readers' pages: what they say, to whom, and what they never tell."""

import json
import re
from html import unescape

import pytest

from consumers.subscribers import validation
from consumers.subscribers.quota import HourlyMailQuota
from consumers.subscribers.transactional import DAILY_LIMIT
from contracts.subscriptions.transactional import TransactionalKind
from contracts.vocabulary import DEFAULT
from producers.pages.mail_limits import BURST, REFUSED_BURST
from producers.pages.rendering import page_texts
from tests.support.signup_app import ADDRESS, CONSENT, KNOWN, browser, heading, signup_form

__all__ = ["browser"]

BUCKET_CALLS = ("get", "create", "put", "get_many", "batch", "purge")


async def test_everything_that_can_be_chosen_stands_on_the_page(browser):
    page = (await browser.get("/dang-ky")).text
    for id, topic in DEFAULT.topics.items():
        assert (f'name="topics" value="{id}"' in page) is topic.is_subscribable
    for id, unit in DEFAULT.units.items():
        assert (f'name="units" value="{id}"' in page) is (unit.until is None)
    assert all(f'name="audiences" value="{id}"' in page for id in DEFAULT.audiences)
    assert page_texts()["consent"]["texts"][page_texts()["consent"]["version"]] in page
    assert 'name="consent"' in page
    assert page.count(" checked") == 1  # the rhythm; nobody has agreed to anything yet


async def test_a_link_of_the_portal_has_its_shelf_chosen_already(browser):
    asked = "chu-de=viec-lam&chu-de=canh-bao-khan&don-vi=cuc-viec-lam&doi-tuong=%22%3E%3Cb%3E"
    answer = await browser.get(f"/dang-ky?{asked}&doi-tuong=cong-chuc")
    chosen = re.findall(r'name="[tau]\w+s" value="([^"]*)" checked', answer.text)
    assert chosen == ["viec-lam", "cuc-viec-lam", "cong-chuc"]
    assert answer.headers["x-robots-tag"] == "noindex"


MISTAKES = [
    ({"email": ""}, "email"),
    ({"email": "khong-phai"}, "email"),
    ({"email": "nguyễn@example.com"}, "email"),
    ({"email": "a%b@example.com"}, "email"),
    ({"email": "a!b@example.com"}, "email"),
    ({"email": "x" * 65 + "@example.com"}, "email"),
    ({"name": "x" * 151}, "name"),
    ({"name": "An\u202e"}, "name"),
    ({"topics": ["khong-co"]}, "topics"),
    ({"topics": ["canh-bao-khan"]}, "topics"),
    ({"units": ["khong-co"]}, "units"),
    ({"audiences": ["khong-co"]}, "audiences"),
    ({"frequency": "hourly"}, "frequency"),
    ({"consent": ""}, "consent"),
    ({"consent": "2020-01"}, "consent"),
]


async def test_a_mistake_is_said_beside_its_field_and_the_rest_is_kept(signup_app, browser):
    kept = {"name": 'value="Nguyễn Văn An"', "topics": 'value="viec-lam" checked'}
    for changes, field in MISTAKES:
        form = signup_form(topics=["viec-lam"], name="Nguyễn Văn An") | changes
        answer = await browser.post("/dang-ky", data=form)
        assert answer.status_code == 422, changes
        needed = [f'id="{field}-loi"', f'<a href="#{field}">', f'id="{field}"', "<title>Lỗi: "]
        needed += [text for name, text in kept.items() if name not in changes]
        assert [text for text in needed if text not in answer.text] == [], changes
    assert await signup_app.pending_mails() == {}


async def test_a_mistake_is_said_in_a_citizens_words_and_names_its_field(browser):
    said = page_texts()
    for changes, field in [
        ({"name": "=?utf-8?q?x?="}, "name"),
        ({"frequency": "hourly"}, "frequency"),
        ({"topics": ["khong-co"]}, "topics"),
        ({"units": ["khong-co"]}, "units"),
        ({"audiences": ["khong-co"]}, "audiences"),
    ]:
        answer = await browser.post("/dang-ky", data=signup_form() | changes)
        [summary] = re.findall(f'<li><a href="#{field}">(.*?)</a></li>', answer.text)
        summary = unescape(summary)
        own = said["wrong"].get(field)
        assert summary == own or summary.startswith(f"{said['field'][field]}: ")
        assert not re.search(r"hourly|weekly|=\?", summary)


async def test_what_was_written_comes_back_as_text_and_never_as_markup(browser):
    form = signup_form('"><script>x</script>', name="<b>An</b>")
    answer = await browser.post("/dang-ky", data=form)
    assert answer.status_code == 422
    assert "<script>" not in answer.text
    assert "<b>An" not in answer.text


async def test_who_mends_the_address_finds_everything_else_as_it_was(signup_app, browser):
    wishes = {"topics": ["viec-lam", "tuyen-dung"], "units": ["van-phong-bo"], "name": "<An>"}
    sent = await browser.post("/dang-ky", data=signup_form(frequency="weekly", **wishes))
    fields = hidden(sent.text)
    assert fields == signup_form(frequency="weekly", **wishes)
    again = await browser.post("/dang-ky/sua", data=fields)
    assert again.status_code == 200
    for ticked in ("viec-lam", "tuyen-dung", "van-phong-bo", "weekly", CONSENT):
        assert re.search(f'value="{ticked}"[^>]* checked', again.text), ticked
    assert f'value="{ADDRESS}"' in again.text
    assert 'value="&lt;An&gt;"' in again.text
    assert len(await signup_app.pending_mails()) == 1, "showing the form sends nothing"
    asked = await browser.post("/dang-ky/quan-ly", data={"email": ADDRESS})
    shown = await browser.post("/dang-ky/quan-ly/sua", data=hidden(asked.text))
    assert f'value="{ADDRESS}"' in shown.text


def hidden(page):
    """The fields that a page keeps for its next form."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r'type="hidden" name="(\w+)" value="([^"]*)"', page):
        found.setdefault(name, []).append(unescape(value))
    lists = ("topics", "units", "audiences")
    return {name: values if name in lists else values[0] for name, values in found.items()}


def work_of(app, monkeypatch):
    """Every read, write and message of the pages from now on: which, not of what."""
    calls = []

    def count(owner, name):
        done = getattr(owner, name)

        async def counted(self, *args, **more):
            calls.append((name, getattr(self, "name", "")))
            return await done(self, *args, **more)

        monkeypatch.setattr(owner, name, counted)

    for name in BUCKET_CALLS:
        count(type(app.store.bucket), name)
    count(type(app.bus), "publish")
    return calls


@pytest.mark.promise("14.2")
async def test_known_or_not_an_address_gets_the_same_answer(signup_app, browser, monkeypatch):
    signup_app.mailer.quota = HourlyMailQuota(signup_app.bus, 1000, signup_app.clock)
    await signup_app.subscribed(KNOWN)
    signup_app.clock.advance(86400)  # neither has got a letter today
    calls = work_of(signup_app, monkeypatch)
    for path, form in (("/dang-ky", signup_form()), ("/dang-ky/quan-ly", {})):
        pages, work = {}, {}
        for address in (KNOWN, ADDRESS):
            calls.clear()
            answer = await browser.post(path, data=form | {"email": address})
            assert answer.status_code == 200
            pages[address] = answer.content.replace(address.encode(), b"")
            headers = {k: v for k, v in answer.headers.items() if k != "date"}
            pages[address] += json.dumps(headers).encode()
            work[address] = list(calls)
        assert len(KNOWN) == len(ADDRESS)
        assert pages[KNOWN] == pages[ADDRESS]
        assert work[KNOWN] == work[ADDRESS] != []
    kinds = sorted(one.kind.value for one in (await signup_app.pending_mails()).values())
    assert kinds == ["absent", "confirm", "manage", "manage"]


async def test_a_readers_letter_goes_to_the_address_as_they_have_it(signup_app, browser):
    await signup_app.subscribed(KNOWN)
    for path, form in (("/dang-ky", signup_form()), ("/dang-ky/quan-ly", {})):
        answer = await browser.post(path, data=form | {"email": KNOWN.title()})
        assert KNOWN.title() in answer.text, "the page says what was written"
    sent = [(one.kind, one.address) for one in (await signup_app.pending_mails()).values()]
    assert sent == [(TransactionalKind.MANAGE, KNOWN)] * 2


@pytest.mark.parametrize("path", ["/dang-ky", "/dang-ky/quan-ly"])
async def test_an_endless_address_is_refused_before_it_costs_anything_and_counted(
    signup_app, browser, monkeypatch, path
):
    checked = []
    real = validation.validate_email

    def noted(email, **options):
        checked.append(email)
        return real(email, **options)

    monkeypatch.setattr(validation, "validate_email", noted)
    answers = []
    for _ in range(int(REFUSED_BURST) + 1):
        answer = await browser.post(path, data=signup_form("a" * 60_000 + "@example.com"))
        answers.append(answer.status_code)
    assert answers == [422] * int(REFUSED_BURST) + [429]
    assert checked == []
    signup_app.clock.advance(3)
    assert (await browser.post(path, data=signup_form(""))).status_code == 422


async def test_beyond_the_limits_the_page_says_the_same_and_no_letter_goes(signup_app, browser):
    answers = [await browser.post("/dang-ky", data=signup_form()) for _ in range(DAILY_LIMIT + 2)]
    assert len({answer.content for answer in answers}) == 1
    assert len(await signup_app.pending_mails()) == DAILY_LIMIT
    for number in range(int(BURST)):
        await browser.post("/dang-ky", data=signup_form(f"khac{number}@example.com"))
    assert len(await signup_app.pending_mails()) == DAILY_LIMIT + BURST - (DAILY_LIMIT + 2)
    async with signup_app.client("2001:db8:1:2::1") as other:
        await other.post("/dang-ky", data=signup_form("mang-khac@example.com"))
    assert (await signup_app.last_mail()).address == "mang-khac@example.com"


@pytest.mark.promise("14.1")
async def test_a_link_shows_a_button_and_only_pressing_it_does_anything(signup_app, browser):
    await browser.post("/dang-ky", data=signup_form(topics=["viec-lam"]))
    path = (await signup_app.last_mail()).path
    shown = await browser.get(path)
    assert (shown.status_code, await signup_app.subscribers()) == (200, [])
    assert ADDRESS in shown.text
    assert "Việc làm" in shown.text
    assert (await browser.head(path)).status_code == 200
    assert await signup_app.subscribers() == []
    assert heading(await browser.post(path)) == "Đăng ký thành công"


async def test_a_forged_link_is_no_page_and_an_old_one_says_so(signup_app, browser):
    for path in ("xac-nhan", "quan-ly", "doi-dia-chi"):
        for method in (browser.get, browser.post):
            answer = await method(f"/dang-ky/{path}/gAAAAABforged")
            assert (answer.status_code, heading(answer)) == (404, "Liên kết không đúng")
    await browser.post("/dang-ky", data=signup_form())
    confirm = (await signup_app.last_mail()).path
    signup_app.clock.advance(72 * 3600)
    for method in (browser.get, browser.post):
        answer = await method(confirm)
        assert (answer.status_code, heading(answer)) == (410, "Liên kết đã hết hiệu lực")
