"""Addresses of one page, however they are spelt, are compared as one; others never are."""

from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.units.canonical_urls import absolute_url, canonical_url

MOHA = "https://moha.gov.vn"
SAME = {
    "scheme, www, port, case of the host": [
        f"{MOHA}/tin/a",
        "http://moha.gov.vn/tin/a",
        "http://www.moha.gov.vn/tin/a",
        "https://moha.gov.vn:443/tin/a",
        "http://moha.gov.vn:80/tin/a",
        "HTTPS://WWW.MOHA.GOV.VN./tin/a",
    ],
    "slashes, dots, fragment": [
        "https://tcnn.vn/a/b",
        "https://tcnn.vn/a/b/",
        "https://tcnn.vn//a/./c/../b",
        "https://tcnn.vn/a/b#binh-luan",
    ],
    "how somebody came": [
        "https://tcnn.vn/bai?id=7",
        "https://tcnn.vn/bai?id=7&utm_source=zalo&utm_medium=oa&utm_campaign=x",
        "https://tcnn.vn/bai?fbclid=IwAR0&id=7",
        "https://tcnn.vn/bai?UTM_SOURCE=zalo&id=7&gclid=1&zarsrc=30",
    ],
    "order of parameters": ["https://tcnn.vn/b?x=1&y=2", "https://tcnn.vn/b?y=2&x=1"],
    "percent encoding": [
        "https://tcnn.vn/tin-t%e1%bb%a9c",
        "https://tcnn.vn/tin-t%E1%BB%A9c",
        "https://tcnn.vn/tin-tức",
        "https://tcnn.vn/tin%2Dt%E1%BB%A9c",
    ],
    "percent encoding that is not UTF-8": [
        "https://tcnn.vn/%e1%eb.html?a=%e1",
        "https://tcnn.vn/%E1%EB%2Ehtml?%61=%E1",
    ],
    "the home page": ["https://tcnn.vn", "https://tcnn.vn/", "http://www.tcnn.vn/#top"],
    "SharePoint, whatever the category": [
        f"{MOHA}/tintuc/Pages/listbnv.aspx?Cat=735&ItemID=45244",
        f"{MOHA}/tintuc/Pages/listbnv.aspx?ItemID=45244&Cat=735",
        f"{MOHA}/tintuc/Pages/listbnv.aspx?ItemID=45244&Cat=12",
    ],
    "danh-muc, whatever the words": [
        f"{MOHA}/danh-muc/bo-noi-vu-hop-44514.html",
        f"{MOHA}/danh-muc/bo-noi-vu-hop-ban-44514.html",
    ],
    "d and t, whatever the category": [
        f"{MOHA}/chuyen-doi-so/tin-hoat-dong-cua-bo-noi-vu/le-ra-mat-d610-t57158.html",
        f"{MOHA}/tin-tuc/le-ra-mat-d12-t57158.html",
    ],
    "oid, with words and without": [
        f"{MOHA}/tin-tuc/ra-mat-kenh---oid57695",
        f"{MOHA}/tin-tuc/---oid57695",
        "http://www.moha.gov.vn/tin-tuc/ra-mat---oid57695?utm_source=oa",
    ],
    "a host that was renamed": ["https://dolab.gov.vn/a", "https://dolab.moha.gov.vn/a"],
}
OTHERS = [
    (f"{MOHA}/a", f"{MOHA}/b"),
    ("https://tcnn.vn/A", "https://tcnn.vn/a"),
    ("https://tcnn.vn/b?id=1", "https://tcnn.vn/b?id=2"),
    ("https://tcnn.vn/b?id=1", "https://tcnn.vn/b?ID=1"),
    ("https://tcnn.vn:8443/a", "https://tcnn.vn/a"),
    ("https://dolab.moha.gov.vn/a", f"{MOHA}/a"),
    (f"{MOHA}/danh-muc/a-44514.html", f"{MOHA}/tintuc/Pages/x.aspx?ItemID=44514"),
    (f"{MOHA}/tin/a-d610-t1.html", f"{MOHA}/tin/a-d610-t2.html"),
    ("https://tcnn.vn/a-d610-t1.html", "https://tcnn.vn/b-d610-t1.html"),
    (f"{MOHA}/a%2Fb", f"{MOHA}/a/b"),
    ("https://tcnn.vn/%E1%EB.html", "https://tcnn.vn/%E2%EA.html"),
    ("https://tcnn.vn/%E1%EB.html", "https://tcnn.vn/%EF%BF%BD%EF%BF%BD.html"),
    ("https://tcnn.vn/tin?ten=%E1%EB", "https://tcnn.vn/tin?ten=%E2%EA"),
    ("https://tcnn.vn/tin?%E1=1", "https://tcnn.vn/tin?%E2=1"),
    (f"{MOHA}/p/pages/a.aspx?ItemID=%E1", f"{MOHA}/p/pages/a.aspx?ItemID=%E2"),
]


@pytest.mark.parametrize("name", SAME)
def test_spellings_of_one_page_have_one_form(name):
    forms = {canonical_url(url) for url in SAME[name]}
    assert len(forms) == 1, forms


@pytest.mark.parametrize(("one", "other"), OTHERS)
def test_different_pages_have_different_forms(one, other):
    assert canonical_url(one) != canonical_url(other)


@pytest.mark.parametrize(
    "url", ["", "44514", "urn:uuid:1", "ftp://moha.gov.vn/a", "javascript:alert(1)", "https://",
            "https://[::1", "http://moha.gov.vn:99999/a", "mailto:a@moha.gov.vn"],
)  # fmt: skip
def test_what_is_no_web_address_has_none(url):
    assert canonical_url(url) == ""


PART = st.text("abcXYZ019-_.~%é/ ", min_size=1, max_size=8).map(lambda s: quote(s, safe="/-_.~"))
PAIR = st.tuples(st.sampled_from(["id", "Cat", "ItemID", "q"]), st.text("ab1 &=", max_size=4))
HOST = st.sampled_from(["moha.gov.vn", "tcnn.vn", "dolab.moha.gov.vn", "xn--b-tfw.gov.vn"])


@st.composite
def pages(draw):
    host, path = draw(HOST), "/".join(draw(st.lists(PART, max_size=4)))
    query = "&".join(f"{k}={quote(v)}" for k, v in draw(st.lists(PAIR, max_size=3)))
    return f"https://{host}/{path}" + (f"?{query}" if query else "")


@given(pages())
def test_the_form_of_a_form_is_itself(url):
    assert canonical_url(canonical_url(url)) == canonical_url(url)


NOISE = ["utm_source=oa", "fbclid=I", "gclid=1", "utm_zalo=%20"]


@given(pages(), st.sampled_from(["http://", "HTTP://www.", "https://www."]), st.sampled_from(NOISE))
def test_noise_changes_nothing(url, begin, noise):
    said = begin + url.removeprefix("https://")
    assert canonical_url(f"{said}{'&' if '?' in url else '?'}{noise}#x") == canonical_url(url)


BYTES = st.binary(min_size=1, max_size=6)


@given(BYTES, BYTES)
def test_each_name_in_bytes_has_a_form_of_its_own(one, other):
    def page(name):
        return canonical_url(f"https://tcnn.vn/a{quote(name)}z?q={quote(name)}")

    assert (page(one) == page(other)) is (one == other)


@given(st.text(max_size=60))
def test_any_text_has_a_form_or_none(text):
    for url in (text, f"https://{text}", f"https://tcnn.vn/{text}"):
        assert canonical_url(canonical_url(url)) == canonical_url(url)


@pytest.mark.parametrize(
    ("url", "full"),
    [
        ("/tin/1.html", "https://tcnn.vn/tin/1.html"),
        ("../1", "https://tcnn.vn/1"),
        (" https://tcnn.vn/a b ", "https://tcnn.vn/a%20b"),
        ("https://tcnn.vn/tin-tức?q=á", "https://tcnn.vn/tin-t%E1%BB%A9c?q=%C3%A1"),
        ("https://b\u1ed9.gov.vn:8443/", "https://xn--b-8xm.gov.vn:8443/"),
        ("", ""),
    ],
)
def test_a_link_is_given_in_full_and_in_ascii(url, full):
    assert absolute_url(url, "https://tcnn.vn/rss/home.rss") == full
