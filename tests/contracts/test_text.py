"""Vietnamese text: what is composed, what is squeezed, what is refused."""

import contextlib
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticCustomError

from contracts import text
from contracts.base.fields import Day, HttpUrl, Instant, Line, Line150, Revision, Summary, Text
from contracts.text.legacy_encodings import find_legacy

LETTERS = (
    "aăâbcdđeêghiklmnoôơpqrstuưvxyàáảãạằắẳẵặầấẩẫậèéẻẽẹềếểễệìíỉĩịòóỏõọồốổỗộờớởỡợùúủũụừứửữựỳýỷỹỵĐÁẨỘ"
)
vietnamese = st.text(alphabet=LETTERS + " .,–“”0123456789", min_size=1, max_size=200)
anything = st.text(st.characters(exclude_categories=()), max_size=200)


def refusal(judge, value):
    with pytest.raises(PydanticCustomError) as caught:
        judge(value)
    return caught.value.type


@given(vietnamese)
def test_both_forms_of_vietnamese_become_one(sentence):
    composed, decomposed = (unicodedata.normalize(form, sentence) for form in ("NFC", "NFD"))
    assert text.line(composed) == text.line(decomposed)
    assert text.paragraphs(composed) == text.paragraphs(decomposed)


@given(vietnamese)
def test_vietnamese_is_never_mistaken_for_an_old_encoding(sentence):
    assert text.line(sentence) == " ".join(unicodedata.normalize("NFC", sentence).split())


@pytest.mark.parametrize("clean", [text.line, text.paragraphs])
@given(anything)
def test_cleaning_twice_changes_nothing(clean, value):
    try:
        once = clean(value)
    except PydanticCustomError:
        return
    assert clean(once) == once
    assert unicodedata.is_normalized("NFC", once)


@given(anything)
def test_a_line_that_is_taken_is_one_line_without_control_characters(value):
    try:
        line = text.line(value)
    except PydanticCustomError:
        return
    assert len(line.splitlines()) <= 1
    assert not {unicodedata.category(c) for c in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert not set(line) & set(
        "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
    )
    line.encode()


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ("hai\ndòng", "line_break"),
        ("hai\r\ndòng", "line_break"),
        ("cột\tcột", "line_break"),
        ("hai\u2028dòng", "line_break"),
        ("hai\u0085dòng", "control_character"),
        ("chuông\x07", "control_character"),
        ("rỗng\x00", "control_character"),
        ("\ufdd0", "control_character"),
        ("ngược\u202eđọc", "bidi_character"),
        ("cô lập\u2066", "bidi_character"),
        ("dấu\u200f", "bidi_character"),
        ("dấu\u061c", "bidi_character"),
        ("nửa\ud83d", "surrogate"),
        ("hỏng\ufffd", "replacement_character"),
        ("Ðồng Nai", "eth_for_d_with_stroke"),
        ("a" + "\u0301" * 17, "stacked_marks"),
        ("=?utf-8?B?QmNjOiB4QHk=?=", "encoded_word"),
        ("a =?=\u00ad?= b", "encoded_word"),
    ],
)
def test_a_line_refuses(value, code):
    assert refusal(text.line, value) == code


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("  Bộ\u00a0Nội   vụ ", "Bộ Nội vụ"),
        ("Bộ\u200b Nội\u00ad vụ\ufeff", "Bộ Nội vụ"),
        ("mã\u3000số", "mã số"),
        ("Đồng Nai", "Đồng Nai"),
        ("hòa, hoà", "hòa, hoà"),
        ("Café Citroën ở Genève", "Café Citroën ở Genève"),
        ("Zalo® và VNeID®", "Zalo® và VNeID®"),
        ("§ 5, §5a và §12", "§ 5, §5a và §12"),
        ("1 + 1 =? 2 ?", "1 + 1 =? 2 ?"),
        ("vui 😀", "vui 😀"),
        ("né dû à vô", "né dû à vô"),
        ("a café and a rôle for Néi, vô, Bé", "a café and a rôle for Néi, vô, Bé"),
        ("Bé vô tư", "Bé vô tư"),
        ("Bà Hà và bé Tâm đi vô Huế", "Bà Hà và bé Tâm đi vô Huế"),
        ("Il a été élu à la tête de l'État", "Il a été élu à la tête de l'État"),
        ("Müller für Zürich, São Paulo", "Müller für Zürich, São Paulo"),
        ("René, Hélène và Noël", "René, Hélène và Noël"),
    ],
)
def test_a_line_keeps(value, kept):
    assert text.line(value) == kept


def test_paragraphs_keep_lines_and_indents_and_use_one_line_end():
    written = "\r\n# Một\r\n\r\n    mã\ttab\rhai\u2028ba \n\n"
    assert text.paragraphs(written) == "# Một\n\n    mã\ttab\nhai\nba"


def test_paragraphs_refuse_what_a_line_refuses_but_breaks():
    assert refusal(text.paragraphs, "a\x0b") == "control_character"
    assert refusal(text.paragraphs, "a\n\u202e") == "bidi_character"


@pytest.mark.timeout(5)
@pytest.mark.parametrize(
    "evil", ["a" + "\u0301\u0323" * 60_000, "=?a" * 80_000, "a \u00a0" * 80_000, "oä " * 80_000]
)
def test_no_text_takes_long_to_judge(evil):
    for judge in (text.line, text.paragraphs):
        with contextlib.suppress(PydanticCustomError):
            judge(evil)


def test_an_invisible_character_does_not_split_a_letter():
    assert text.line("a\u00ad\u0323") == "ạ"


def test_texts_are_compared_without_case_or_spacing():
    assert text.squeeze(" BỘ\u00a0Nội  vụ") == text.squeeze("bộ nội vụ")
    assert text.squeeze("hòa") != text.squeeze("hoà")


@pytest.mark.parametrize(
    ("name", "slug"),
    [
        ("Vụ Tổ chức - Biên chế", "vu-to-chuc-bien-che"),
        ("Đối  tượng (mới)", "doi-tuong-moi"),
        ("…", ""),
    ],
)
def test_a_name_becomes_an_id(name, slug):
    assert text.slug(name) == slug


def judged(kind, value):
    """The value as it is kept, or the code of its refusal."""
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        return error.errors()[0]["type"]


@pytest.mark.parametrize(
    ("kind", "value", "code"),
    [
        (Line150, "", "string_too_short"),
        (Line150, " \u00a0\u200b ", "string_too_short"),
        (Line150, "ộ" * 151, "string_too_long"),
        (Line, 1, "string_type"),
        (Line, b"a", "string_type"),
        (Text, "\n \n", "string_too_short"),
        (Text, "a" * 100_001, "string_too_long"),
        (Summary, "a" * 501, "string_too_long"),
        (Revision, True, "int_type"),
        (Revision, "1", "int_type"),
        (Revision, 1.0, "int_type"),
        (Revision, 0, "greater_than_equal"),
        (Revision, 2**31, "less_than_equal"),
        (Instant, "2026-11-24T08:00:00", "instant"),
        (Instant, "2026-11-24", "instant"),
        (Instant, "٢٠26-11-24T08:00:00Z", "instant"),
        (Day, "2026-02-30", "date_from_datetime_parsing"),
        (Day, "٢٠26-11-30", "day"),
        (Instant, "1764000000", "instant"),
        (Instant, 1764000000, "string_type"),
        (Instant, "2026-02-30T08:00:00+07:00", "datetime_from_date_parsing"),
        (Instant, "0001-01-01T00:00:00+07:00", "instant_range"),
        (Instant, "9999-12-31T23:59:59-07:00", "instant_range"),
    ],
)
def test_a_type_refuses(kind, value, code):
    assert judged(kind, value) == code


def test_lengths_count_composed_characters():
    decomposed = unicodedata.normalize("NFD", "ộ" * 150)
    assert len(decomposed) == 450
    assert judged(Line150, decomposed) == "ộ" * 150


@pytest.mark.parametrize(
    "url",
    [
        "https://moha.gov.vn",
        "HTTP://www.moha.gov.vn:443/tintuc/Pages/listbnv.aspx?Cat=735&ItemID=45244",
        "https://moha.gov.vn/tin-tuc/---oid57695#a@b",
        "http://127.0.0.1:8080/x",
        "http://[::1]:80/",
        "https://moha.gov.vn/tin%20t%E1%BB%A9c",
    ],
)
def test_a_web_address_is_kept_as_it_is(url):
    assert judged(HttpUrl, url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "moha.gov.vn",
        "//moha.gov.vn",
        "ftp://moha.gov.vn",
        "javascript:alert(1)",
        "https://",
        "https:///x",
        "https://ai:do@moha.gov.vn",
        "https://moha.gov.vn@ke-gian.example.com",
        "https://moha.gov.vn\\@ke-gian.example.com",
        "https://moha.gov.vn/a b",
        "https://moha.gov.vn/a\r\nBcc: x",
        "https://moha.gov.vn/tin-tức",
        'https://moha.gov.vn/"onclick=',
        "https://moha.gov.vn:99999/",
        "https://moha.gov.vn/%zz",
        "https://[::1",
        "https://-/",
    ],
)
def test_a_web_address_is_refused(url):
    assert judged(HttpUrl, url) == "url"


def test_a_web_address_is_bounded():
    assert judged(HttpUrl, "https://moha.gov.vn/" + "a" * 2048) == "string_too_long"


@pytest.mark.parametrize(
    ("written", "encoding", "reading"),
    [
        ("Bé Néi vô", "TCVN3", "Bộ Nội vụ"),
        ("Th«ng b¸o tuyÓn dông", "TCVN3", "Thông báo tuyển dụng"),
        ("Boä Noäi vuï", "VNI", "Bộ Nội vụ"),
        ("QUYEÁT ÑÒNH", "VNI", "QUYẾT ĐỊNH"),
        ("Tiª n TCVN3 §Þnh h\u00adíng", "TCVN3", "Tiê n TCVN3 Định hướng"),
        (
            "Boä Noäi vuï thoâng baùo tuyeån duïng",
            "VNI",
            "Bộ Nội vụ thông báo tuyển dụng",
        ),
        (
            "B\u00e9 N\u00e9i v\u00f4 ban h\u00b5nh quy\u00d5t \u00ae\u00denh v\u00d2 tæ ch\u00f8c",
            "TCVN3",
            "Bộ Nội vụ ban hành quyết định về tổ chức",
        ),
    ],
)
def test_an_old_encoding_is_recognised_with_what_it_would_read(written, encoding, reading):
    assert find_legacy(written) == (encoding, reading)


def test_no_vietnamese_text_of_the_repository_is_taken_for_an_old_encoding():
    """Also not in pieces of some words, and not without the letters that Latin-1 lacks."""
    root = Path(text.__file__).parents[2]
    files = [*root.glob("*.vi.md"), *root.glob("docs/*.vi.md"), *root.glob("contracts/*.toml")]
    words = [word for file in files for word in file.read_text("utf-8").split()]
    assert len(words) > 20_000
    latin = [word for word in words if max(word) <= "\u00ff" and "Ð" not in word]
    for source in (words, latin):
        for length in (1, 3, 12):
            pieces = (source[at : at + length] for at in range(0, len(source), length))
            found = [find_legacy(" ".join(piece)) for piece in pieces]
            assert [one for one in found if one] == []
