"""A publication laid out as a Zalo article, within Zalo's limits."""

import json
from datetime import timedelta

import pytest

from channels.markdown_text import paragraphs
from channels.zalo.publications.render import BODY_MAX, ArticleDefaults, article_marker, render
from contracts import keys
from contracts.bulletins import composition
from contracts.bulletins.issue import BulletinAmendment
from tests.support.bulletin_history import BEGIN, a_released_item, propose
from tests.support.publications import a_publication
from tests.support.zalo_account import SITE, sample_withdrawal

LONG = "Thông báo về việc tổ chức kỳ thi nâng ngạch công chức, thăng hạng viên chức năm 2027 "


def payload(publication, **changes):
    article = render(publication, SITE)
    return article.payload("loa-marker", changes.get("cover", article.cover), "hide")


def content(publication) -> list[str]:
    return [part["content"] for part in payload(publication)["body"]]


def test_an_article_has_everything_zalo_asks_for():
    article = payload(a_publication())
    assert article["type"] == "normal"
    assert article["title"] == "Lịch nghỉ Tết Nguyên đán năm 2027"
    assert article["description"].startswith("Công chức, viên chức nghỉ từ ngày 04")
    assert article["author"] == "Bộ Nội vụ"
    assert article["cover"] == {
        "cover_type": "photo",
        "photo_url": "https://cong.example/bia/mac-dinh.png",
        "status": "show",
    }
    assert article["status"] == "hide"
    assert article["tracking_link"] == "https://cong.example/tin/lich-nghi-tet-2027#loa-marker"
    assert "id" not in article


@pytest.mark.parametrize("action", ["published", "corrected", "withdrawn"])
def test_a_long_title_is_cut_at_a_word_unless_there_is_a_short_one(action):
    long = {"action": action, "title": (LONG * 4)[:300].strip()}
    cut = payload(a_publication(**long))["title"]
    assert len(cut) <= 140 and cut.endswith("…")
    assert long["title"].removeprefix(cut.removesuffix("…"))[0] in " ,"
    short = payload(a_publication(**long, short_title="Kỳ thi nâng ngạch năm 2027"))["title"]
    assert short == "Kỳ thi nâng ngạch năm 2027"


@pytest.mark.parametrize("action", ["published", "corrected", "withdrawn"])
def test_a_cut_title_stands_whole_above_the_text_and_takes_no_paragraph_away(action):
    whole = (LONG * 4)[:300].strip()
    given = {"action": action, "reason": "Nhầm", "body": "a" * (BODY_MAX + 1)}
    plain = content(a_publication(**given))
    first, *rest = content(a_publication(title=whole, **given))
    assert first == f"<p>{whole}</p>"
    assert len(rest) == len(plain)
    shown = payload(a_publication(title=whole, **given))
    assert shown["description"] == payload(a_publication(**given))["description"]
    assert content(a_publication(title=whole, short_title="Kỳ thi", **given)) == plain


def test_the_last_paragraph_leads_to_the_portal_and_carries_our_marker():
    *_, last = content(a_publication())
    assert last == (
        "<p>Xem trên trang thông tin của Bộ Nội vụ: "
        "https://cong.example/tin/lich-nghi-tet-2027#loa-marker</p>"
    )


def test_the_marker_is_different_for_every_revision_and_short():
    marks = {article_marker(keys.delivery_key("a", n, "zalo", "article")) for n in range(1, 50)}
    assert len(marks) == 49
    assert {len(mark) for mark in marks} == {24}


def test_an_items_own_cover_is_used_percent_encoded():
    cover = {"url": "https://moha.example/%E1%BA%A3nh/b%C3%ACa%201.jpg", "alt": "Bìa"}
    article = render(
        a_publication(cover=cover),
        ArticleDefaults("https://cong.example", "https://x.vn/ảnh bìa.png"),
    )
    assert article.cover == "https://moha.example/%E1%BA%A3nh/b%C3%ACa%201.jpg"
    assert article.default_cover == "https://x.vn/%E1%BA%A3nh%20b%C3%ACa.png"


@pytest.mark.parametrize(
    ("markdown", "texts"),
    [
        ("Một đoạn\nhai dòng.\n\nĐoạn hai.", ["Một đoạn hai dòng.", "Đoạn hai."]),
        ("# Tiêu đề\n\n**đậm** và *nghiêng* `mã`", ["Tiêu đề", "đậm và nghiêng mã"]),
        ("- một\n- hai\n  - ba", ["• một", "• hai", "• ba"]),
        ("3. ba\n4. bốn", ["3. ba", "4. bốn"]),
        ("- một\n\n  tiếp", ["• một", "tiếp"]),
        ("dòng một  \ndòng hai", ["dòng một\ndòng hai"]),
        ("xem [cổng](https://a.example/x)", ["xem cổng (https://a.example/x)"]),
        ("<https://a.example/x>", ["https://a.example/x"]),
        ("[tệp](javascript:alert(1))", ["[tệp](javascript:alert(1))"]),
        ("![ảnh chụp](https://a.example/x.png)", ["ảnh chụp"]),
        ("a <b>b</b> <script>x</script> c", ["a b x c"]),
        ("<script>alert(1)</script>\n\nb", ["b"]),
        ("| a | b |\n|---|---|\n| 1 | 2 |", ["a | b", "1 | 2"]),
        ("```\nmã\n  lùi\n```", ["mã\n  lùi"]),
        ("> trích", ["trích"]),
        ("a & b < c", ["a & b < c"]),
        ("---", []),
        ("", []),
    ],
)
def test_markdown_becomes_plain_paragraphs(markdown, texts):
    assert [" ".join(t.split(" ")) for t in paragraphs(markdown)] == texts


def test_text_can_not_become_markup():
    first, *_ = content(a_publication(body="lương < 5 triệu & \\<b> không"))
    assert first == "<p>lương &lt; 5 triệu &amp; &lt;b&gt; không</p>"


def test_lines_inside_a_paragraph_stay_lines():
    first, *_ = content(a_publication(body="một  \nhai"))
    assert first == "<p>một<br>hai</p>"


def test_links_and_documents_follow_the_text():
    link = {"url": "https://a.example/vb", "title": "Văn bản"}
    article = content(a_publication(links=[link], attachments=[link | {"title": "Tệp"}]))
    assert article[1:3] == [
        "<p>Văn bản: https://a.example/vb</p>",
        "<p>Tệp: https://a.example/vb</p>",
    ]


def test_a_long_body_ends_with_a_link_to_the_whole_of_it():
    *parts, last = content(a_publication(body="\n\n".join([LONG * 10] * 40)))
    assert sum(len(part) for part in parts) <= BODY_MAX + len(parts) * len("<p></p>")
    assert last.startswith("<p>Xin Quý vị đọc toàn văn tại: https://cong.example/tin/")


def test_one_endless_paragraph_is_cut_cleanly():
    first, last = content(a_publication(body=LONG * 200))
    assert first.endswith("…</p>")
    assert len(first) <= BODY_MAX + len("<p></p>")
    assert "toàn văn" in last


def test_a_correction_of_one_endless_paragraph_shows_its_beginning():
    corrected = a_publication(action="corrected", reason="Sai ngày thi", body=LONG * 200)
    first, text, last = content(corrected)
    assert "Sai ngày thi" in first and "toàn văn" in last
    assert text.startswith(f"<p>{LONG}") and text.endswith("…</p>")
    assert BODY_MAX - 200 < len(first) + len(text) <= BODY_MAX + 2 * len("<p></p>")


def test_an_endless_paragraph_behind_a_short_one_keeps_its_lines_and_is_cut_at_a_word():
    lines = [f"Dòng {number}: {LONG.strip()}" for number in range(300)]
    first, text, _ = content(a_publication(body="Mở đầu.\n\n" + "  \n".join(lines)))
    *whole, cut = text.removeprefix("<p>").removesuffix("</p>").split("<br>")
    assert first == "<p>Mở đầu.</p>"
    assert whole == lines[: len(whole)] and len(whole) > 90
    assert not cut or lines[len(whole)].startswith(cut.removesuffix("…"))


def test_without_a_summary_the_text_begins_the_description():
    article = payload(a_publication(summary="", body="Đoạn đầu.\n\nĐoạn sau."))
    assert article["description"] == "Đoạn đầu."
    assert payload(a_publication(summary="", body=""))["description"] == article["title"]


def test_a_withdrawal_leaves_nothing_of_the_old_text():
    article = render(sample_withdrawal(), SITE).payload("loa-marker", SITE.cover_url, "hide", "abc")
    text = json.dumps(article, ensure_ascii=False)
    assert article["id"] == "abc"
    assert article["description"] == "Tin này đã được gỡ."
    assert "Lý do: Nội dung chưa chính xác" in text
    assert "nghỉ từ ngày 04" not in text


def an_issue(items: int, amendments: int = 1, reason: str = "", title: str = "Tin"):
    """An issue of items of about 350 letters, with corrections of earlier ones."""
    released = (
        a_released_item(
            f"tin-{n}",
            title=f"{title} {n}.",
            text="Lời ngắn. " * 30,
            first_shown_at=BEGIN + n * MINUTE,
        )
        for n in range(items)
    )
    told = (
        BulletinAmendment(
            content_id=f"cu-{n}", revision=2, title=f"Cũ {n}", change="withdrawn", reason=reason
        )
        for n in range(amendments)
    )
    issue = propose(*released).model_copy(update={"amendments": tuple(told)})
    body = composition.body_of(issue)
    return a_publication(content_id=issue.content_id, bulletin=issue, body=body)


MINUTE = timedelta(minutes=1)


def letters(body: list[str]) -> int:
    return sum(map(len, body)) - len("<p></p>") * len(body)


@pytest.mark.parametrize("amendments", [1, 20])
def test_an_issue_that_is_too_long_tells_its_last_items_by_their_titles(amendments):
    *body, last = content(an_issue(60, amendments))
    whole = sum(one.startswith("<p>Tin ") for one in body)
    titles = [f"<p>{'' if n < whole else '• '}Tin {n}.</p>" for n in range(60)]
    assert 0 < whole < 60 and [one for one in body if "Tin " in one] == titles
    assert sum("Lời ngắn" in one for one in body) == whole
    assert [f"<p>Cũ {n}:" in "".join(body) for n in range(amendments)] == [True] * amendments
    assert body[-1] in content(an_issue(1)), "the last line stays"
    assert BODY_MAX - 350 < letters(body) <= BODY_MAX and " tin khác" not in last


def test_an_issue_without_room_for_its_titles_counts_what_is_left_out():
    *body, last = content(an_issue(60, title="Tên dài " * 30))
    shown = [one for one in body if one.startswith("<p>• Tên dài")]
    assert 0 < len(shown) < 60 and f" {60 - len(shown)} tin khác " in last
    assert letters(body) <= BODY_MAX and "Lời ngắn" not in "".join(body)


def test_corrections_that_fill_an_article_leave_all_items_to_the_portal():
    *body, last = content(an_issue(3, 97, "Sai ngày. " * 30))
    assert "<p>Cũ 0:" in "".join(body) and " 3 tin " in last


def test_an_issue_that_fits_keeps_its_order():
    article = content(an_issue(3))
    assert article[:-1] == [f"<p>{one}</p>" for one in paragraphs(an_issue(3).body)]
    assert " tin khác" not in article[-1]
