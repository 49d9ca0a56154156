"""The public list of the ministry's channels: shipped entries and an operator's overrides."""

from datetime import date

import pytest
from lxml.html import fromstring

from channels.portal.model.public_channels import DEFAULT_CHANNELS, load_channels
from channels.portal.model.site import Site
from channels.portal.render.html import HtmlPages
from channels.portal.settings import PortalSettings
from contracts.errors import ContractError
from contracts.vocabulary import DEFAULT as WORDS
from design.settings import SiteIdentity
from tests.support.portal_dir import PUBLIC_URL, page, publish, text_of

OWN = """
[channels.zalo]
url = "https://zalo.me/123456789"
keeper = "Trung tâm Công nghệ thông tin"
shown = true

[channels.tong-dai]
name = "Tổng đài hỗ trợ"
kind = "hotline"
phone = "1900 0000"
about = "Giờ làm việc các ngày trong tuần."

[channels.vneid]
shown = false
"""


def test_the_shipped_list_leaves_out_what_has_no_address_yet():
    names = [one.name for one in DEFAULT_CHANNELS]
    assert names[:2] == [
        "Kênh thông tin, tuyên truyền của Bộ Nội vụ",
        "Cổng Thông tin điện tử Bộ Nội vụ",
    ]
    assert not any("Zalo" in name for name in names)


def test_an_operator_changes_adds_and_leaves_out_entries():
    found = {one.name: one for one in load_channels(OWN)}
    zalo = found["Tài khoản Zalo chính thức “Bộ Nội vụ”"]
    assert (zalo.url, zalo.kind) == ("https://zalo.me/123456789", "social")
    assert "Tổng đài hỗ trợ" in found
    assert not any("VNeID" in name for name in found)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[channels.zalo]\nurl = 'javascript:alert(1)'", "zalo"),
        ("[channels.moi]\nname = 'Kênh mới'", "moi"),
        ("[channels.zalo]\nkind = 'fax'", "zalo"),
        ("[channels.zalo", "LOA_PORTAL_CHANNELS_FILE"),
        ("[channels.zalo]\nurll = 'https://zalo.me/1'", "channels.zalo.urll"),
        ("[channels.vneid]\nphone = 'gọi ngay'", "channels.vneid.phone"),
        (f"[channels.zalo]\nurl = 'https://zalo.me/{'a' * 3000}'", "channels.zalo.url"),
        ("[channels.zalo]\nurl = 'https://zalo.me/\u202e1'", "channels.zalo.url"),
        ("[channels.zalo]\nurl = 'https://zalo.me/\u009f1'", "channels.zalo.url"),
        ("[channel.zalo]\nshown = true", "LOA_PORTAL_CHANNELS_FILE.channel"),
    ],
)
def test_a_wrong_entry_is_named(text, named):
    with pytest.raises(ContractError) as wrong:
        load_channels(text)
    assert any(named in error.field for error in wrong.value.errors)
    assert all(error.field.startswith("LOA_PORTAL_CHANNELS_FILE") for error in wrong.value.errors)


def test_a_hotline_is_a_link_that_a_telephone_calls():
    own = Site(PUBLIC_URL, WORDS, channels=load_channels(OWN))
    page = fromstring(HtmlPages(own).channels().decode())
    assert page.xpath("//a[starts-with(@href, 'tel:')]/@href") == ["tel:19000000"]
    assert page.xpath("//a[starts-with(@href, 'tel:')]/text()") == ["1900 0000"]


def test_the_page_lists_them_by_what_the_law_tells_apart(tmp_path):
    publish(tmp_path)
    listing = page(tmp_path, "kenh")
    unified, others, national = listing.xpath("//main//section")
    assert "Cổng Dịch vụ công quốc gia" in text_of(national) and "VNeID" in text_of(national)
    assert text_of(national).startswith("Hệ thống dùng chung quốc gia")
    assert "Tin qua thư điện tử" in text_of(others)
    assert unified.xpath(".//a/@href") == ["/", "https://moha.gov.vn"]
    assert f"điện tử: {PUBLIC_URL}/" in text_of(unified.find_class("facts")[0])
    assert "Danh sách cập nhật ngày 29/11/2026." in text_of(listing.find(".//main"))


def test_the_page_claims_of_no_other_site_that_it_is_false(tmp_path):
    publish(tmp_path)
    told = text_of(page(tmp_path, "kenh").find(".//main"))
    assert "không phải của Bộ Nội vụ" not in told
    assert "không có trong danh sách này, xin Quý vị hỏi lại Bộ" in told


def test_an_entry_of_an_operators_own_stays_among_the_ministrys_channels():
    own = "[channels.cong-tinh]\nname = 'Trang mới'\nkind = 'portal'\nabout = 'Tin của Bộ.'"
    assert [one.group for one in load_channels(own)].count("unified") == 3


@pytest.mark.parametrize(
    ("sender", "shown"),
    [("", "Thư điện tử"), ("Bộ Nội vụ <a@b.vn>", "Thư điện tử, người gửi: Bộ Nội vụ <a@b.vn>")],
)
def test_the_entry_of_mail_names_the_sender_and_no_web_address(sender, shown):
    listed = fromstring(HtmlPages(Site(PUBLIC_URL, WORDS, mail_sender=sender)).channels().decode())
    [entry] = listed.xpath("//li[h3/a/@href='/dang-ky']")
    assert text_of(entry.find_class("facts")[0]) == shown


def test_the_setting_names_the_file(tmp_path):
    own = tmp_path / "kenh.toml"
    own.write_text(OWN, "utf-8")
    settings = PortalSettings.model_construct(hub="", channels_file=own)
    site = settings.build_site(PUBLIC_URL, WORDS, SiteIdentity())
    assert "Tổng đài hỗ trợ" in [one.name for one in site.channels]
    assert site.channels_updated is None
    own.write_text(f"updated = 2027-01-02\n{OWN}", "utf-8")
    assert settings.build_site(PUBLIC_URL, WORDS, SiteIdentity()).channels_updated == date(
        2027, 1, 2
    )
