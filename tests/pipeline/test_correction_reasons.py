"""A correction says what was wrong: from the unit's event to every channel."""

import pytest

from channels.zalo.publications.render import render
from contracts import events
from contracts.errors import Invalid
from contracts.testing import sample
from contracts.vocabulary import DEFAULT
from producers.event_file import wrap_data
from tests.support.events import UNIT, corrected, register_unit, released_publications, submitted
from tests.support.mails import mail_recipient, sent_mail
from tests.support.publications import a_publication
from tests.support.zalo_account import SITE

WHY = "Bản trước ghi sai ngày bắt đầu nghỉ; đúng là 04/02/2027."
CLERK = "Nguyễn Thị Lan"


def said(event):
    return events.check(event, DEFAULT)


def parts(mail) -> list[str]:
    return [mail.get_body((kind,)).get_content() for kind in ("plain", "html")]


# --- the contract


def test_a_correction_may_say_what_was_wrong():
    assert said(corrected(reason=f"  {WHY} ")).reason == WHY
    assert said(corrected()).reason == ""


def test_the_sample_of_a_correction_says_what_was_wrong():
    assert sample("corrected")["data"]["reason"]


@pytest.mark.parametrize("reason", ["x" * 501, "a\nb", 1, None])
def test_a_wrong_reason_is_named(reason):
    with pytest.raises(Invalid) as caught:
        said(corrected(reason=reason))
    assert [one.field for one in caught.value.errors] == ["data.reason"]


def test_what_corrects_nothing_has_no_reason():
    with pytest.raises(Invalid) as caught:
        said(submitted(reason=WHY))
    assert [one.field for one in caught.value.errors] == ["data.reason"]


def test_a_file_that_names_what_it_corrects_is_a_correction_even_without_its_title():
    data = {"content_id": "a", "revision": 2, "corrects_revision": 1, "reason": WHY}
    assert wrap_data(data, UNIT)["type"] == events.CORRECTED


# --- on its way


async def test_a_released_correction_carries_what_was_wrong(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(reason=WHY), UNIT)
    await intake.handle(submitted(revision=3), UNIT)
    assert [one["reason"] for one in await released_publications(bus)] == ["", WHY, ""]


async def test_a_correction_that_the_desk_approves_carries_it_too(bus, intake):
    await intake.handle(submitted(), UNIT)
    await register_unit(bus, release="desk")
    await intake.handle(corrected(reason=WHY), UNIT)
    await intake.desk.approve(submitted().data["content_id"], CLERK)
    assert (await released_publications(bus))[-1]["reason"] == WHY


async def test_a_first_text_corrects_nothing_that_anybody_has_read(bus, intake):
    await intake.handle(corrected(reason=WHY), UNIT)
    [only] = await released_publications(bus)
    assert (only["action"], only["reason"]) == ("published", "")


# --- where it is read


def test_who_got_the_older_text_by_mail_reads_what_was_wrong():
    publication = a_publication(action="corrected", revision=2, reason=WHY)
    _, mail = sent_mail(publication, mail_recipient(1, publication, correction=True))
    for text in parts(mail):
        assert f"Nội dung đính chính: {WHY}" in text


def test_who_never_got_it_is_not_told_of_a_mistake():
    publication = a_publication(action="corrected", revision=2, reason=WHY)
    _, mail = sent_mail(publication, mail_recipient(1, publication))
    assert not any(WHY in text for text in parts(mail))


def test_the_article_on_zalo_begins_with_what_was_wrong():
    article = render(a_publication(action="corrected", revision=2, reason=WHY), SITE)
    assert article.body[0] == f"Đính chính: {WHY}"
    assert article.description == render(a_publication(), SITE).description


def test_a_correction_without_a_reason_reads_as_the_item_does():
    plain = render(a_publication(action="corrected", revision=2), SITE)
    assert plain.body == render(a_publication(), SITE).body
