"""The portal's pages: content, structure, and hostile text that stays text."""

import re

import pytest

from channels.portal.model.body import to_html
from tests.support.portal_dir import (
    PUBLIC_URL,
    page,
    public_files,
    publish,
    rebuild,
    text_of,
    words_with,
)
from tests.support.publications import RELEASED_AT, a_publication, numbered_publication

ITEM = "tin/lich-nghi-tet-2027"


def shown(tmp_path, **changes):
    publish(tmp_path, a_publication(**changes))
    return page(tmp_path, ITEM)


def test_every_page_is_vietnamese_has_one_h1_landmarks_and_a_way_past_the_head(tmp_path):
    withdrawn = a_publication(content_id="rut", action="withdrawn", revision=2)
    publish(tmp_path, a_publication(), withdrawn)
    for path in (".", ITEM, "tin/rut", "nguon-tin"):
        document = page(tmp_path, path)
        assert document.get("lang") == "vi"
        assert len(document.findall(".//h1")) == 1
        assert len(document.findall(".//main")) == 1
        assert document.find(".//title").text
        main = document.find(".//main").get("id")
        assert document.find_class("skip")[0].get("href") == f"#{main}"
        assert document.xpath("//meta[@name='viewport']")


def test_the_official_line_says_the_address_before_it_is_opened(tmp_path):
    document = shown(tmp_path)
    [line] = document.xpath("//*[@class='official']//summary")
    assert text_of(line).startswith("Trang thông tin chính thức của Bộ Nội vụ: loa.example.vn")
    assert "mật khẩu" in text_of(line.getnext())


def test_the_menu_leads_readers_and_the_foot_machines(tmp_path):
    document = shown(tmp_path)
    assert document.xpath("//nav[@class='menu']//a/@href") == ["/", "/muc/", "/kenh/"]
    assert "/nguon-tin/" in document.xpath("//*[@class='footing']//a/@href")
    assert text_of(document.find_class("join")[0]).startswith("Nhận tin")


def test_menu_and_foot_lead_to_corrections_where_the_topics_have_them(tmp_path):
    publish(tmp_path, a_publication(), words=words_with("lich-nghi-le", "dinh-chinh"))
    menu = page(tmp_path, ITEM).xpath("//nav[@class='menu']//a")
    assert [link.get("href") for link in menu] == ["/", "/muc/", "/muc/dinh-chinh/", "/kenh/"]
    assert text_of(menu[2]) == "Đính chính, gỡ tin"
    changes = page(tmp_path, "muc/dinh-chinh")
    assert changes.xpath("//a[@aria-current]/@href") == ["/muc/dinh-chinh/"]
    assert "/muc/dinh-chinh/" in changes.xpath("//*[@class='footing']//a/@href")


def test_whom_texts_are_for_is_never_called_an_object(tmp_path):
    publish(tmp_path, a_publication())
    pages = [body for path, body in public_files(tmp_path).items() if path.endswith(".html")]
    assert not [text for text in pages if "đối tượng" in text.decode().lower()]


def test_the_style_sheet_is_named_after_its_bytes_and_is_there(tmp_path):
    document = shown(tmp_path)
    sheet, _ = document.xpath("//link[@rel='stylesheet']/@href")
    assert re.fullmatch(r"/tai-nguyen/loa-[0-9a-f]{16}\.css", sheet)
    assert (tmp_path / "public" / sheet[1:]).is_file()


def test_a_page_names_itself_for_social_networks(tmp_path):
    document = shown(tmp_path, cover={"url": f"{PUBLIC_URL}/a.jpg", "alt": "Phố ngày Tết"})
    assert document.xpath("//meta[@property='og:title']/@content") == [a_publication().title]
    assert document.xpath("//meta[@property='og:image:alt']/@content") == ["Phố ngày Tết"]
    assert document.xpath("//figure/img/@alt") == ["Phố ngày Tết"]


def test_who_it_is_from_and_for_is_said_in_words(tmp_path):
    document = shown(tmp_path, audiences=["cong-chuc", "vien-chuc"], author="Nguyễn Thị Hồng Nhung")
    byline = text_of(document.find_class("facts")[0])
    assert byline.startswith("Văn phòng Bộ đăng") and "Nguyễn Thị Hồng Nhung" in byline
    about = text_of(document.find_class("about")[0])
    assert "Lịch nghỉ lễ" in about and "Văn phòng Bộ" not in about
    assert text_of(document.find_class("for")[0]) == "Dành cho: Công chức, viên chức"
    assert text_of(shown(tmp_path).find_class("for")[0]) == "Dành cho: Mọi người"


def test_times_are_vietnams_and_readable_by_machines(tmp_path):
    late = RELEASED_AT.replace(hour=18, minute=5)
    [time] = shown(tmp_path, first_released_at=late, released_at=late).xpath("//header//time")
    assert time.text == "01:05 ngày 21/11/2026"
    assert time.get("datetime") == "2026-11-21T01:05:00+07:00"


def test_attachments_say_what_they_are_and_links_leave_safely(tmp_path):
    document = shown(
        tmp_path,
        attachments=[
            {"url": "https://moha.gov.vn/a.pdf", "title": "Toàn văn"}
            | {"media_type": "application/pdf", "size": 1_234_567},
            {"url": "https://moha.gov.vn/b", "title": "Mẫu"},
        ],
        links=[{"url": "https://moha.gov.vn/?a=1&b=2", "title": "Cổng & trang"}],
    )
    more = [link for part in document.find_class("more") for link in part.iter("a")]
    assert [text_of(link) for link in more] == ["Toàn văn (PDF, 1,2 MB)", "Mẫu", "Cổng & trang"]
    assert more[2].get("href") == "https://moha.gov.vn/?a=1&b=2"
    assert {link.get("rel") for link in more} == {"noopener"}


def test_a_text_in_another_language_is_marked_as_such(tmp_path):
    document = shown(tmp_path, language="en", title="A note")
    assert document.find(".//h1").get("lang") == "en"
    assert document.find_class("text")[0].get("lang") == "en"
    assert page(tmp_path, ".").find(".//h3/a").get("lang") == "en"


def test_the_home_page_has_the_newest_first_and_marks_corrections(tmp_path):
    items = [numbered_publication(n) for n in range(35)]
    corrected = items[34].model_copy(update={"revision": 2, "action": "corrected"})
    rebuild(tmp_path, [*items, corrected])
    home = page(tmp_path, ".")
    titles = [text_of(title) for title in home.iter("h3")]
    assert titles[:2] == ["Tin 34", "Tin 33"] and len(titles) == 12
    assert len(home.find_class("corrected")) == 1


def test_the_portal_may_live_below_a_path(tmp_path):
    publish(tmp_path, a_publication(), url="https://moha.gov.vn/kenh/")
    document = page(tmp_path, ITEM)
    assert document.xpath("//link[@rel='canonical']/@href") == [f"https://moha.gov.vn/kenh/{ITEM}"]
    assert document.find_class("brand")[0].get("href") == "/kenh/"
    assert all(href.startswith("/kenh/") for href in document.xpath("//nav//a/@href"))
    files = document.xpath("//link[not(@rel='alternate') and not(@rel='canonical')]/@href")
    assert all(href.startswith("/kenh/") for href in files)


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("# Một\n\n## Hai", "<h2>Một</h2>\n<h3>Hai</h3>"),
        ("### Ba\n\n#### Bốn", "<h2>Ba</h2>\n<h3>Bốn</h3>"),
        ("# 1\n\n###### 6", "<h2>1</h2>\n<h6>6</h6>"),
        ("**đậm** và *nghiêng*", "<p><strong>đậm</strong> và <em>nghiêng</em></p>"),
        ("[mục](#a)", '<p><a href="https://x.vn/tin/a#a" rel="noopener">mục</a></p>'),
        ("[trang](/tin/b)", '<p><a href="https://x.vn/tin/b" rel="noopener">trang</a></p>'),
        (
            "<https://x.vn/b>",
            '<p><a href="https://x.vn/b" class="bare" rel="noopener">https://x.vn/b</a></p>',
        ),
        ("<b>thẻ</b>", "<p>&lt;b&gt;thẻ&lt;/b&gt;</p>"),
        ("a&#12;b&#x202E;c&rlm;d", "<p>abcd</p>"),
    ],
)
def test_a_body_becomes_plain_semantic_html(markdown, html):
    assert to_html(markdown, "https://x.vn/tin/a") == html


def test_a_table_can_be_scrolled_by_keyboard_and_is_aligned_without_style():
    html = to_html("| a | b |\n| --- | --: |\n| 1 | 2 |", "https://x.vn/")
    assert '<div class="table" role="group" tabindex="0" aria-label="Bảng; kéo ngang' in html
    assert '<th class="right" scope="col">b</th>' in html
    assert '<td class="right">2</td>' in html
    assert "style" not in html


def test_the_same_body_is_the_same_html_every_time():
    table = '| a | b |\n| :-: | --: |\n| ![x](/a.png "y") | [z](/b "t") |'
    body = f"# Tiêu đề\n\n{table}\n\n7. bảy\n"
    assert len({to_html(body, "https://x.vn/") for _ in range(40)}) == 1


def test_the_feed_of_corrections_is_the_first_of_those_that_are_unfolded(tmp_path):
    corrected = a_publication(action="corrected", revision=2)
    publish(tmp_path, corrected, words=words_with("lich-nghi-le", "dinh-chinh"))
    [first, *_] = page(tmp_path, "nguon-tin").xpath("//section")
    labels = [text_of(label) for label in first.find_class("label")]
    assert labels == ["Đính chính, gỡ tin", "Tất cả tin"] and first.xpath("./details/@open")


def test_every_feed_shows_the_address_to_copy(tmp_path):
    publish(tmp_path, a_publication())
    listed = page(tmp_path, "nguon-tin")
    rows = listed.xpath("//ul[@class='feeds']/li")
    shown = {text_of(row.find_class("address")[0]) for row in rows}
    assert f"{PUBLIC_URL}/nguon-tin/van-phong-bo.rss" in shown and len(shown) == len(rows)
    assert "Dành cho ai (" in text_of(listed)


def test_feeds_are_listed_for_people_by_topic_and_unit(tmp_path):
    publish(tmp_path, a_publication())
    listed = page(tmp_path, "nguon-tin")
    hrefs = listed.xpath("//main//a/@href")
    assert "/nguon-tin/tat-ca.rss" in hrefs and "/nguon-tin/van-phong-bo.atom" in hrefs
    for href in hrefs:
        if href == "/dang-ky" or href.startswith("#"):
            continue
        path = f"{href[1:]}index.html" if href.endswith("/") else href[1:]
        assert (tmp_path / "public" / path).is_file(), href
