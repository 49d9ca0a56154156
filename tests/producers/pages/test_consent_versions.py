"""Versions of the consent text: each is evidence for ever, in the words that readers agreed to."""

from hashlib import sha256
from html import unescape

from contracts.subscriptions.signup import SignupApplication
from contracts.subscriptions.subscriber import Subscriber
from producers.pages.rendering import page_texts
from tests.support.signup_app import ADDRESS, NOON, browser, signup_form

__all__ = ["browser"]

GIVEN = {
    "2026-11": "ec534fbdd662af8566047c1d1e13f31e8d480aabf214aac31408c28a4a30d87c",
    "2026-12": "511f7436248ac8695a8fee4bc52b2a48a95be556398d001f09d323917eaa4f8e",
    "2026-12.2": "ecefe381339b8620f5da9485e9276ec9dbe040af51e367ee20d572fef5636b9d",
}
"""SHA-256 of each text that was on the page: a change of the law's words is a new version."""
SHORT = {
    "2026-12": "aaf35096f2b0fa3933ed730dced9e7e812b984b837d60dfb06f7aff82a2455b1",
    "2026-12.2": "eff01261cb88aaad5ac07ba2f8076ffc6872f261c51636e442deeb8039ce770d",
}
"""SHA-256 of the lines that stood beside a text; version 2026-11 had none."""
OLD_RECORD = """{"id": "k7", "email": "ong.ba@example.com", "name": "Trần Thị Bình", "active": true,
"consent": {"version": "2026-11", "at": "2026-11-20T05:00:00Z", "ip": "9f", "link": "3c"}}"""
"""A reader as the earlier version stored them."""


def text_of(version: str) -> str:
    return str(page_texts()["consent"]["texts"][version])


def test_no_text_that_was_agreed_to_changes_by_a_byte():
    texts = page_texts()["consent"]["texts"]
    assert {version: sha256(text.encode()).hexdigest() for version, text in texts.items()} == GIVEN
    assert page_texts()["consent"]["version"] == max(GIVEN)


def test_no_line_that_stood_beside_such_a_text_changes_by_a_byte():
    assert max(SHORT) == max(GIVEN)
    for version, lines in page_texts()["consent"]["plain"].items():
        said = "\n".join(f"{label}: {text}" for label, text in lines)
        assert sha256(said.encode()).hexdigest() == SHORT[version], version


async def test_a_consent_of_before_is_proven_in_its_old_words(signup_app):
    old = Subscriber.model_validate_json(OLD_RECORD)
    await signup_app.store.upsert(ADDRESS, lambda _: old)
    async with signup_app.signed_in() as browser:
        data = (await browser.get("/dang-ky/tuy-chon/du-lieu")).json()
    assert data["consent"] == old.model_dump(mode="json")["consent"]
    assert data["consent_text"] == text_of("2026-11")
    assert data["consent_texts"] == {"2026-11": text_of("2026-11")}


async def test_who_agrees_to_the_new_words_keeps_the_proof_of_the_old_ones(signup_app, browser):
    then = Subscriber.model_validate_json(OLD_RECORD)
    old = then.after_leaving(NOON, "page")
    await signup_app.store.upsert(ADDRESS, lambda _: old)
    one = await signup_app.subscribed()
    assert one.consent and one.consent.version == max(GIVEN)
    async with signup_app.signed_in() as reader:
        data = (await reader.get("/dang-ky/tuy-chon/du-lieu")).json()
    assert data["consent_text"] == text_of(max(GIVEN))
    assert data["consent_texts"] == {one: text_of(one) for one in ("2026-11", max(GIVEN))}


async def test_a_link_that_was_asked_for_before_confirms_the_words_of_then(signup_app, browser):
    await signup_app.signup.sign_up(SignupApplication(email=ADDRESS, version="2026-11"))
    path = (await signup_app.last_mail()).path
    page = unescape((await browser.get(path)).text)
    assert text_of("2026-11") in page and text_of("2026-12") not in page
    assert '<details class="fold" open>' in page, "they had no lines in short"
    assert [text for _, text in page_texts()["consent"]["plain"]["2026-12"] if text in page] == []
    assert (await browser.post(path)).status_code == 200
    assert (await signup_app.subscriber()).consent.version == "2026-11"


async def test_a_form_with_the_old_words_is_asked_to_agree_to_the_new_ones(signup_app, browser):
    answer = await browser.post("/dang-ky", data=signup_form() | {"consent": "2026-11"})
    assert (answer.status_code, await signup_app.pending_mails()) == (422, {})
    assert text_of(max(GIVEN)) in unescape(answer.text)
    assert f'name="consent" value="{max(GIVEN)}"' in answer.text
