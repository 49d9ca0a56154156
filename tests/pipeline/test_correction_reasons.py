"""A correction says what was wrong: from the unit's event to every channel."""

import pytest

from channels.zalo.publications.render import render
from contracts import events
from contracts.errors import Invalid
from contracts.vocabulary import DEFAULT
from producers.event_file import wrap_data
from tests.support.decisions import approve_item
from tests.support.events import (
    ITEM,
    UNIT,
    corrected,
    register_unit,
    released_publications,
    submitted,
)
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


@pytest.mark.parametrize(
    "event",
    [
        *(corrected(reason=reason) for reason in ("x" * 501, "a\nb", 1, None)),
        submitted(reason=WHY),  # it corrects nothing
    ],
)
def test_a_wrong_reason_is_named(event):
    with pytest.raises(Invalid) as caught:
        said(event)
    assert [one.field for one in caught.value.errors] == ["data.reason"]


def test_a_file_that_names_what_it_corrects_is_a_correction_even_without_its_title():
    data = {"content_id": "a", "revision": 2, "corrects_revision": 1, "reason": WHY}
    assert wrap_data(data, UNIT)["type"] == events.CORRECTED


# --- on its way


async def test_a_released_correction_carries_what_was_wrong(bus, intake):
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(reason=WHY), UNIT)
    await intake.handle(submitted(revision=3), UNIT)
    await register_unit(bus, release="desk")
    await intake.handle(corrected(revision=4, reason=WHY), UNIT)
    await approve_item(intake.decisions, submitted().data["content_id"], CLERK)
    assert [one["reason"] for one in await released_publications(bus)] == ["", WHY, "", WHY]


async def test_a_correction_of_a_draft_corrects_nothing_that_anybody_has_read(bus, intake):
    await register_unit(bus, release="desk")
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(reason=WHY), UNIT)
    await approve_item(intake.decisions, ITEM, "Trần Thị Bình")
    [only] = await released_publications(bus)
    assert (only["action"], only["reason"]) == ("published", "")


# --- where it is read


CORRECTION = a_publication(action="corrected", revision=2, reason=WHY)


@pytest.mark.parametrize("got_older", [True, False])
def test_only_who_got_the_older_text_by_mail_reads_what_was_wrong(got_older):
    _, mail = sent_mail(CORRECTION, mail_recipient(1, CORRECTION, correction=got_older))
    for text in parts(mail):
        assert (f"Nội dung đính chính: {WHY}" in text, WHY in text) == (got_older, got_older)


def test_the_article_on_zalo_begins_with_what_was_wrong_if_that_is_said():
    article, first = render(CORRECTION, SITE), render(a_publication(), SITE)
    assert article.body[0] == f"Đính chính: {WHY}"
    assert article.description == first.description
    assert render(a_publication(action="corrected", revision=2), SITE).body == first.body
