"""An item's page: what leads on from it, how it is passed on, and its corrections."""

import json
from base64 import b64decode
from contextlib import closing
from datetime import timedelta
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from lxml import html

from channels.portal.model.body import to_html
from channels.portal.model.item import build_item
from channels.portal.model.site import Site
from channels.portal.render.html import HtmlPages
from channels.portal.writer.audit import FolderAudit
from channels.web_addresses import link_addresses
from contracts.vocabulary import DEFAULT
from design.settings import SiteIdentity
from tests.support.portal_dir import (
    PUBLIC_URL,
    page,
    public_files,
    publish,
    rebuild,
    site_files,
    text_of,
    words_with,
)
from tests.support.publications import RELEASED_AT, a_publication, numbered_publication

ITEMS = [
    numbered_publication(n).model_copy(update={"topic": "viec-lam"}) for n in (1, 2, 3, 4, 5, 6)
]
LATER = {"revision": 2, "released_at": RELEASED_AT + timedelta(days=3)}
ID = a_publication().content_id


def related(folder, item):
    links = page(folder, f"tin/{item.content_id}").xpath("//nav[contains(@class, 'related')]/ul[1]")
    return [text_of(link) for ul in links for link in ul.iter("a")]


def problems(folder):
    audit = FolderAudit(folder, site_files())
    with closing(audit.open_snapshot()) as snapshot:
        return list(audit.find_problems(snapshot))


def test_an_item_leads_to_those_that_came_before_it_in_its_topic(tmp_path):
    publish(tmp_path, *ITEMS, a_publication())
    assert related(tmp_path, ITEMS[5]) == ["Tin 5", "Tin 4", "Tin 3"]
    assert related(tmp_path, ITEMS[0]) == []
    assert related(tmp_path, a_publication()) == []


def test_a_new_item_rewrites_no_page_of_another(tmp_path):
    publish(tmp_path, *ITEMS[:5])
    before = public_files(tmp_path)
    publish(tmp_path, ITEMS[5])
    after = public_files(tmp_path)
    changed = {path for path in before if before[path] != after[path] and path.startswith("tin/")}
    assert changed == set()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"action": "corrected", "title": "Tin 4 sửa"}, ["Tin 5", "Tin 4 sửa", "Tin 3"]),
        ({"action": "withdrawn"}, ["Tin 5", "Tin 3", "Tin 2"]),
        ({"topic": "lich-nghi-le"}, ["Tin 5", "Tin 3", "Tin 2"]),
    ],
)
def test_a_changed_item_changes_the_pages_that_name_it(tmp_path, changes, expected):
    publish(tmp_path, *ITEMS, ITEMS[3].model_copy(update=LATER | changes))
    assert related(tmp_path, ITEMS[5]) == expected
    assert problems(tmp_path) == []


def test_the_order_in_which_items_came_leaves_no_trace(tmp_path):
    publish(tmp_path / "one", *ITEMS[::2], *ITEMS[1::2])
    rebuild(tmp_path / "other", ITEMS[::-1])
    assert public_files(tmp_path / "one") == public_files(tmp_path / "other")


def test_an_item_is_passed_on_by_a_plain_link_or_its_address(tmp_path):
    publish(tmp_path, a_publication())
    [part] = page(tmp_path, f"tin/{a_publication().content_id}").find_class("share")
    address = f"{PUBLIC_URL}/tin/{a_publication().content_id}"
    [link] = part.xpath(".//a/@href")
    assert urlsplit(link).hostname == "button-share.zalo.me"
    assert json.loads(b64decode(parse_qs(urlsplit(link).query)["d"][0])) == {"url": address}
    assert text_of(part.find_class("address")[0]) == address


def test_a_correction_leads_to_the_list_of_corrections(tmp_path):
    corrected = a_publication(action="corrected", reason="Sửa ngày.", **LATER)
    publish(tmp_path / "all", corrected, words=DEFAULT)
    [notice] = page(tmp_path / "all", f"tin/{corrected.content_id}").xpath("//*[@id='dinh-chinh']")
    assert notice.xpath(".//a/@href") == ["/muc/dinh-chinh/"]
    publish(tmp_path / "few", corrected, words=words_with("lich-nghi-le"))
    [notice] = page(tmp_path / "few", f"tin/{corrected.content_id}").xpath("//*[@id='dinh-chinh']")
    assert notice.xpath(".//a/@href") == []


def test_a_withdrawn_item_leads_to_its_topic_and_to_its_unit(tmp_path):
    publish(tmp_path, a_publication(), a_publication(action="withdrawn", **LATER))
    hrefs = page(tmp_path, f"tin/{a_publication().content_id}").xpath("//main//a/@href")
    assert hrefs == ["/muc/lich-nghi-le/", "/muc/van-phong-bo/", "/"]


def test_the_notice_of_a_withdrawn_item_asks_not_to_use_it_and_leads_to_what_its_reason_names(
    tmp_path,
):
    reason = f"Đã được thay thế bằng {PUBLIC_URL}/tin/moi#bang."
    gone = a_publication(action="withdrawn", reason=reason, **LATER)
    publish(tmp_path, a_publication(), gone, words=words_with("lich-nghi-le", "dinh-chinh"))
    story = page(tmp_path, f"tin/{gone.content_id}").find_class("story")[0]
    first, *_, why, last = story.find_class("notice")[0].iter("p")
    assert text_of(first) == gone.title
    assert text_of(why) == "Lý do: Đã được thay thế bằng tin nêu tại đây."
    assert why.xpath("a/@href") == [f"{PUBLIC_URL}/tin/moi#bang"]
    assert text_of(last).startswith("Đề nghị không sử dụng, không chia sẻ, không viện dẫn")
    assert story.xpath(".//a/@href")[0] == f"{PUBLIC_URL}/tin/moi#bang"
    assert "/muc/dinh-chinh/" in story.xpath(".//a/@href")


def test_the_byline_names_the_correction_and_the_body_alone_says_what_the_summary_says(tmp_path):
    summary = "Nghỉ từ 04/02 đến hết 10/02/2027."
    same = {"summary": summary, "body": "**Nghỉ** từ 04/02 đến\nhết 10/02/2027.\n\nXem thêm."}
    publish(tmp_path, a_publication(**same), a_publication(action="corrected", **LATER | same))
    header = page(tmp_path, f"tin/{a_publication().content_id}").find_class("story")[0]
    assert "đính chính lúc 09:00 ngày 23/11/2026" in text_of(header.find_class("facts")[0])
    assert text_of(header).count("hết 10/02/2027.") == 1
    publish(tmp_path, a_publication(content_id="khac", summary=summary, body="Toàn văn."))
    assert text_of(page(tmp_path, "tin/khac").find_class("lead")[0]) == summary


@pytest.mark.parametrize(
    "named",
    [
        "https://moha.gov.vn/tin/moi",
        f"{PUBLIC_URL}/muc/",
        f"{PUBLIC_URL}/tin/{ID}",
        f"{PUBLIC_URL}/tin/{ID}#bang",
        f"{PUBLIC_URL}/tin/{ID}/?in=1",
    ],
)
def test_every_other_address_in_a_reason_is_shown_as_it_is(tmp_path, named):
    publish(tmp_path, a_publication(action="withdrawn", reason=f"Xem {named}.", **LATER))
    assert f"Xem {named}." in text_of(page(tmp_path, f"tin/{ID}"))


def test_below_the_byline_it_says_what_the_text_does_not_replace(tmp_path):
    publish(tmp_path, a_publication())
    facts = page(tmp_path, f"tin/{ID}").xpath("//header//*[@class='facts']/p")
    assert text_of(facts[-1]).endswith("căn cứ văn bản gốc.")


@pytest.mark.parametrize(
    ("contact", "to"),
    [
        (
            {"email": "tin@moha.example", "press": "Văn phòng Bộ, bao@moha.example"},
            "tin@moha.example",
        ),
        ({"press": "Văn phòng Bộ (bao-chi@moha.example)."}, "bao-chi@moha.example"),
        ({"press": "Văn phòng Bộ, 024 3000 0000", "phone": "024 3000 0001"}, ""),
    ],
)
def test_a_fault_is_reported_by_mail_where_an_address_is_known(contact, to):
    site = Site(PUBLIC_URL, DEFAULT, identity=SiteIdentity(**contact))
    body = HtmlPages(site).item(build_item(a_publication(), "", site), []).decode()
    shown = html.document_fromstring(body)
    links = shown.xpath("//a[.='Báo sai sót']/@href")
    subject = f"Báo sai sót: {PUBLIC_URL}/tin/{ID}"
    assert [unquote(link) for link in links] == [f"mailto:{to}?subject={subject}"] * bool(to)


def test_documents_stand_above_the_text_and_other_links_below(tmp_path):
    links = [
        {"url": "https://moha.gov.vn/mot", "title": "Nghị định số 161/2026/NĐ-CP"},
        {"url": "https://moha.gov.vn/hai", "title": "Hỏi đáp về nghị định"},
    ]
    publish(tmp_path, a_publication(links=links))
    document = page(tmp_path, f"tin/{a_publication().content_id}")
    assert "https://moha.gov.vn/mot" in document.xpath("//header//a/@href")
    [more] = document.find_class("more")
    assert more.xpath(".//a/@href") == ["https://moha.gov.vn/hai"]


@pytest.mark.parametrize(
    ("markdown", "hrefs"),
    [
        ("Xem https://moha.gov.vn/a?b=1&c=2.", ["https://moha.gov.vn/a?b=1&c=2"]),
        ("(http://moha.gov.vn)", ["http://moha.gov.vn"]),
        ("“https://moha.gov.vn/”, nhé", ["https://moha.gov.vn/"]),
        ("[một](https://moha.gov.vn)", ["https://moha.gov.vn"]),
        ("[https://a.vn *https://b.vn*](https://moha.gov.vn)", ["https://moha.gov.vn"]),
        ('https://a.vn/"onclick="x', ["https://a.vn/"]),
        ("https://a.vn&lt;script&gt;", ["https://a.vn"]),
        ("https://", []),
    ],
)
def test_an_address_that_stands_bare_becomes_a_link(markdown, hrefs):
    plain = to_html(markdown, "https://x.vn/")
    found = link_addresses(plain)
    assert text_of(parsed(found)) == text_of(parsed(plain))
    assert parsed(found).xpath("//a/@href") == hrefs
    assert not parsed(found).xpath("//@onclick")


def parsed(text):
    return html.document_fromstring(f"<main>{text}</main>")


def test_feeds_have_the_text_as_it_was(tmp_path):
    publish(tmp_path, a_publication(body="Xem https://moha.gov.vn/a."))
    feed = public_files(tmp_path)["nguon-tin/tat-ca.atom"].decode()
    assert "Xem https://moha.gov.vn/a." in feed
    assert page(tmp_path, f"tin/{a_publication().content_id}").xpath(
        "//a[@href='https://moha.gov.vn/a']"
    )
