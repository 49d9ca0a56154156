"""Inputs of the golden vectors. Add at the end of a list: what is there never changes."""

import unicodedata
from itertools import product
from typing import Any

_SUBMITTED = "vn.gov.moha.content.submitted.v1"
_CORRECTED = "vn.gov.moha.content.corrected.v1"
_WITHDRAWN = "vn.gov.moha.content.withdrawn.v1"
_CASE = "vn.gov.moha.case.updated.v1"
_UNIT = "van-phong-bo"


def _decomposed(text: str) -> str:
    return unicodedata.normalize("NFD", text)


def _rows(*values: Any) -> list[tuple[Any, ...]]:
    return [(value,) for value in values]


DIGEST = _rows(
    ["a"],
    ["a", "b"],
    ["ab", ""],
    ["", "ab"],
    ["Bộ Nội vụ"],
    [],
    [""],
    ["", ""],
    ["a", "", "b"],
    ["a|b"],
    [_decomposed("Bộ Nội vụ")],
    ["x" * 55],
    ["x" * 64],
    ["x" * 1000],
    ["\U0001f600"],
    ["\U00020000", "\uffee"],
    [" a", "b "],
    ["1", "ra-mat-kenh-zalo", "1", "email", "s-000001"],
)

EVENT_ID = [
    ("van-phong-bo", "/units/van-phong-bo", "2026-000123"),
    (
        "trung-tam-cong-nghe-thong-tin",
        "https://cms.moha.gov.vn/tin",
        "5f0c1a9e-7d0b-4f0e-9c1e-2a6f6d1f9b10",
    ),
    ("vu-phap-che", "/units/vu-phap-che", "số 5"),
    ("vu-phap-che", "/units/vu-phap-che", _decomposed("số 5")),
    ("vu-phap-che", "/units/vu-phap-che", "so 5"),
    (_UNIT, "/units/van-phong-bo", "huong-dan-nop-ho-so-truc-tuyen.1"),
    (_UNIT, "/units/van-phong-bo/cms", "2026-000123"),
    (_UNIT, "urn:cms:1", "2026-000123"),
    (_UNIT, "urn:cms:1", "2026-000123 "),
    (_UNIT, "urn:CMS:1", "2026-000123"),
    (_UNIT, "/units/van-phong-bo", "1"),
    (_UNIT, "/units/van-phong-bo", "01"),
    (_UNIT, "https://cms.moha.gov.vn/tin?a=1&b=2#x", "a/b?c"),
    (_UNIT, "/units/van-phong-bo", "\U0001f600"),
    (_UNIT, "/units/van-phong-bo", "x" * 256),
    (_UNIT, "/units/van-phong-bo", 'quote " percent % plus +'),
]

_FIRST_TEXT = {
    "content_id": "ra-mat-kenh-zalo",
    "revision": 1,
    "topic": "chuyen-doi-so",
    "title": "Bộ Nội vụ ra mắt kênh thông tin trên Zalo",
    "body": "Người dân theo dõi kênh tại **Bộ Nội vụ**.\n\nMiễn phí.",
    "audiences": ["cong-dan", "vien-chuc"],
    "author": None,
}
_TITLES = (
    "Nghị định số 123/2026/NĐ-CP về tinh giản biên chế",
    "Đính chính: thời gian nộp hồ sơ kéo dài đến hết ngày 31/12/2026",
    "Thủ tục cấp đổi thẻ căn cước cho người cao tuổi",
    "Ước tính, ưu tiên, quyền lợi, khuỷu tay, nghiêng ngả",
    "ẤẦẨẪẬ ẮẰẲẴẶ ẾỀỂỄỆ ỐỒỔỖỘ ỚỜỞỠỢ ỨỪỬỮỰ",
    "ấầẩẫậ ắằẳẵặ ếềểễệ ốồổỗộ ớờởỡợ ứừửữự ỳýỷỹỵ",
)
_SAMPLES: tuple[dict[str, Any], ...] = (
    {},
    {"": ""},
    {"a": []},
    {"a": {}},
    {"a": [[], {}, [{}], ""]},
    {"b": 1, "a": 2, "C": 3, "B": 4, "_": 5, "-": 6, "0": 7, "10": 8, "9": 9},
    {"\uffee": 1, "\U0001f600": 2, "\ue000": 3, "z": 4, "\U00020000": 5},
    {"\ud7ff": 1, "\uffff": 2, "\U00010000": 3, "\U0010ffff": 4},
    {_decomposed("ộ"): 1, "o": 2, "p": 3, "ơ": 4, "đ": 5, "d": 6},
    {"é": 1, "e": 2, "f": 3, "\u0300": 4},
    {"a": 0, "b": -1, "c": 2147483647, "d": 9007199254740991, "e": -9007199254740991},
    {"t": True, "f": False, "n": None, "one": 1, "text": "true"},
    {"controls": "".join(map(chr, range(32)))},
    {"a": "\u007f\u0080\u009f\u00a0\u00ad\u200b\u2028\u2029\ufeff"},
    {"a": "/ \\ \" ' < > & = \u0026"},
    {"a": "\U0001f600\U0001f1fb\U0001f1f3 \U00020000"},
    {"a": "line\r\nline\n\ttab"},
    {'a"b\\c\n': "d"},
    {"a": "\u212b \u2126 \ufb01 \u0958 \u1100\u1161"},
    {"a": "o\u0302\u0323", "b": "o\u0323\u0302", "c": "\u1ed9"},
    {"a": ["b", ["c", ["d", ["e", ["f"]]]]]},
    {"list": [3, 1, 2, "b", "a", None, False]},
    {"deep": {"z": {"y": {"x": {"w": 1}}}, "a": {"\U0001f600": 1, "\uffee": 2}}},
    {"title": "a  b"},
    {"title": "a b"},
    {"title": "a b "},
)
CONTENT_HASH: list[tuple[str, dict[str, Any]]] = [
    (_SUBMITTED, _FIRST_TEXT),
    (
        _SUBMITTED,
        _FIRST_TEXT | {name: _decomposed(str(_FIRST_TEXT[name])) for name in ("title", "body")},
    ),
    (
        _SUBMITTED,
        {
            "title": "a\n\u0303b",
            "z": 1,
            "a": {"b": [True, None, -5, '\u2028 </x> "\\ \U0001f600']},
            "Z": "\u1ea1\u0323\u0301",
        },
    ),
    *((_SUBMITTED, {"title": text}) for title in _TITLES for text in (title, _decomposed(title))),
    *((_SUBMITTED, sample) for sample in _SAMPLES),
    (_CORRECTED, _FIRST_TEXT | {"revision": 2, "corrects_revision": 1, "reason": "Sai ngày."}),
    (_WITHDRAWN, {"content_id": "ra-mat-kenh-zalo", "reason": "Đăng nhầm."}),
    (_WITHDRAWN, {"reason": "Đăng nhầm.", "content_id": "ra-mat-kenh-zalo"}),
    (_WITHDRAWN, {}),
    (_CASE, {"case_code": "G09.20-20260609-0092637", "status": 2}),
]

PUBLICATION_KEY = [
    ("ra-mat-kenh-zalo", 1),
    ("a", 12),
    ("a-1", 1),
    ("a", 2147483647),
    ("x" * 64, 3),
]

DELIVERY = [
    ("ra-mat-kenh-zalo", 1, "email", "s-000001", "thongbao.moha.gov.vn"),
    ("ra-mat-kenh-zalo", 2, "email", "s-000001", "thongbao.moha.gov.vn"),
    ("ra-mat-kenh-zalo", 1, "zalo", "all", "thongbao.moha.gov.vn"),
    ("a", 1, "portal", "portal", "thongbao.moha.gov.vn"),
    ("a", 1, "email", "s-000002", "loa.example"),
    ("a", 11, "email", "s-1", "loa.example"),
    ("a1", 1, "email", "s-1", "loa.example"),
    ("case-rndijv5al2loh5rgf53y", 1, "zalo", "person", "loa.example"),
    ("digest-daily-2026-11-26", 1, "email", "s-000001", "loa.example"),
    ("x" * 64, 2147483647, "email", "s-9", "loa.example"),
]

CASE_CODES = _rows(
    "G09.20-20260609-0092637",
    "000.00.00.H56-220915-0012",
    "G09.20-20260609-0092638",
    "g09.20-20260609-0092637",
)

WRITTEN_CASE_CODES = _rows(
    "G09.20-20260609-0092637",
    "000.00.00.H56-220915-0012",
    "H56-220915-0012",
    "G09-20260609-009263",
    "g09.20-20260609-0092637",
    "Z09.20-20260609-0092637",
    "G09.20-2026060-0092637",
    "G09.20-20260609-009",
    "G\u0660\u0669.20-20260609-0092637",
    "G09.20-\uff12\uff10260609-0092637",
    "G09.20-20260609-0092637\n",
    " G09.20-20260609-0092637",
    "G09." + "A" * 50 + "-220915-0012",
)

DAYS = _rows(
    "2026-11-30",
    "2028-02-29",
    "2026-02-29",
    "2026-02-30",
    "2026-04-31",
    "2026-13-01",
    "2026-00-10",
    "2026-11-00",
    "0000-01-01",
    "2026-1-1",
    "20261130",
    "2026-11-30T00:00:00Z",
    " 2026-11-30",
    "2026-11-30\n",
    "\u0662\u0660\u0662\u0666-11-30",
    "2026-11-3\uff10",
)

_WORDS = (
    "Bộ Nội vụ",
    "Ưu đãi người có công với cách mạng",
    "Đường dây nóng: 1800 1096",
    "Quỹ, nghĩa vụ, thuở, tuổi, Huế, Đắk Lắk",
)
TEXTS = _rows(
    *_WORDS,
    *map(_decomposed, _WORDS),
    "o\u0323\u0302",
    "o\u0302\u0323",
    "\u00f4\u0323",
    "\u1ecd\u0302",
    "u\u031b\u0300",
    "u\u0300\u031b",
    "\u1ea1\u0323\u0301",
    "a\n\u0303b",
    "\u0303",
    "\u0111d\u0335",
    "\u212b\u2126\u00b5",
    "\ufb01\uff21\u2460",
    "\u0958",
    "\u1100\u1161\u11a8",
    "\uac00\u11a8",
    "e\u0301\u0301",
    "q\u0307\u0323",
    "\U0001d15e",
    "\U0001f600\u0301",
    "",
)

KEYS = _rows(
    ["b", "a"],
    ["a", "B", "_", "0"],
    ["10", "9", "1"],
    ["a", "aa", ""],
    ["\uffee", "\U0001f600"],
    ["\U0001f600", "\uffee", "\ue000", "\ud7ff"],
    ["\U0010ffff", "\U00010000", "\uffff"],
    ["đ", "d", "e", "ộ", "o", "p"],
    ["é", "e\u0301", "f"],
    ["a\U0001f600", "a\uffee", "a"],
)

LINES = _rows(
    "Bộ Nội vụ",
    "  Bộ   Nội  vụ ",
    _decomposed("Bộ Nội vụ"),
    "Bộ\u00a0Nội\u3000vụ",
    "Bộ\u200b Nội\u00ad vụ\ufeff",
    "a\u200db",
    "\U0001f468\u200d\U0001f469",
    "",
    " ",
    "a\tb",
    "a\nb",
    "a\u2028b",
    "a\u0000b",
    "a\u007fb",
    "a\u202eb",
    "a\u200eb",
    "a\ufffdb",
    "\u00d0ường",
    "\u0110ường",
    "=?utf-8?B?QuG7mQ==?=",
    "a =? b",
    "e" + "\u0301" * 16,
    "e" + "\u0301" * 17,
    "\u3000a\u00a0",
    "\u2003\u1680a\u205f\u202fb\u2009",
    "\ufeff a \u180e",
    "a \u200b b",
    "\u001ca\u001f",
    "a\u0085",
    "\u2800a\u2800",
)

REVISIONS = _rows(
    "1",
    "2147483647",
    "2147483648",
    "0",
    "-1",
    "-0",
    "1.0",
    "1e0",
    "1.5",
    "10E-1",
    "01",
    "+1",
    '"1"',
    "true",
    "null",
    "NaN",
    "[1]",
    " 7 ",
)

TIMES = _rows(
    "2026-11-26T08:00:00Z",
    "2026-11-26T15:00:00+07:00",
    "2026-11-26T00:30:00+07:00",
    "2026-11-26t08:00:00z",
    "2026-11-26T08:00:00+00:00",
    "2026-11-26T08:00:00-00:00",
    "2026-11-26T22:00:00+14:00",
    "2026-11-25T20:00:00-12:00",
    "2026-11-26T08:00:00.5Z",
    "2026-11-26T08:00:00.500Z",
    "2026-11-26T08:00:00.000Z",
    "2026-11-26T08:00:00.123456Z",
    "2026-11-26T08:00:00.123456789Z",
    "2026-11-26T08:00:00.1234567890Z",
    "2026-11-26T08:00:00.Z",
    "2026-11-26T08:00:00,5Z",
    "2028-02-29T12:00:00Z",
    "2026-02-29T12:00:00Z",
    "2026-02-30T12:00:00Z",
    "2026-04-31T12:00:00Z",
    "2026-13-01T12:00:00Z",
    "2026-00-01T12:00:00Z",
    "2026-11-26T23:59:59Z",
    "2026-11-26T24:00:00Z",
    "2026-12-31T23:59:60Z",
    "2026-11-26T08:60:00Z",
    "1971-01-01T00:00:00Z",
    "1970-12-31T23:59:59Z",
    "2200-12-31T23:59:59Z",
    "2201-01-01T00:00:00Z",
    "2026-11-26T08:00:00",
    "2026-11-26 08:00:00Z",
    "2026-11-26T08:00:00 Z",
    "2026-11-26T08:00Z",
    "2026-11-26T08Z",
    "2026-11-26",
    "20261126T080000Z",
    "2026-11-26T08:00:00+07",
    "2026-11-26T08:00:00+0700",
    "2026-11-26T08:00:00+24:00",
    "2026-11-26T08:00:00+07:60",
    "2026-W48-4T08:00:00Z",
    "26/11/2026 08:00",
    "1764144000",
    " 2026-11-26T08:00:00Z",
    "2026-11-26T08:00:00Z\n",
    "",
)

IDS = _rows(
    "a",
    "0",
    "ra-mat-kenh-zalo",
    "a--b",
    "x" * 64,
    "x" * 65,
    "",
    "-a",
    "a-",
    "A",
    "a_b",
    "a.b",
    "a b",
    "a/b",
    "bộ",
    "a\n",
    "*",
    ">",
)

SOURCES = [
    (_UNIT, "/units/van-phong-bo"),
    (_UNIT, "/units/vu-phap-che"),
    (_UNIT, "//units/van-phong-bo"),
    (_UNIT, "units/van-phong-bo"),
    (_UNIT, "/Units/van-phong-bo"),
    (_UNIT, "/x/../units/van-phong-bo"),
    (_UNIT, "/%75nits/van-phong-bo"),
    (_UNIT, "/units/van-phong-bo/"),
    (_UNIT, "urn:cms:1"),
    (_UNIT, "https://cms.moha.gov.vn/tin"),
    (_UNIT, "https://cms.moha.gov.vn/units/vu-phap-che"),
    (_UNIT, "/"),
    (_UNIT, "/a b"),
    (_UNIT, "/đơn-vị"),
    (_UNIT, "/%zz"),
    (_UNIT, "x" * 512),
    (_UNIT, "x" * 513),
]

SUBJECTS = list(product((_SUBMITTED, _CORRECTED, _WITHDRAWN, _CASE), (_UNIT, "vu-phap-che")))

PUBLICATION_SUBJECTS = [
    ("chuyen-doi-so", "ra-mat-kenh-zalo"),
    ("thu-tuc-hanh-chinh", "huong-dan-nop-ho-so-truc-tuyen"),
]

MESSAGE_IDS = [
    ("/units/van-phong-bo", "2026-000123"),
    ("urn:cms:1", "a|b"),
    ("/units/vu-phap-che", "số 5"),
]

HEADER_VALUES = _rows(
    "2026-000123",
    "Nguyễn Văn An",
    _decomposed("Nguyễn Văn An"),
    'mã số "7" 100%',
    "a b",
    "a+b",
    "a%20b",
    "%",
    "\\",
    "!#$&'()*+,-./:;<=>?@[]^_`{|}~",
    "\U0001f600",
    "\u00a0",
    "https://cms.moha.gov.vn/tin?a=1&b=2#x",
)

HEADERS = _rows(
    "2026-000123",
    "Nguy%E1%BB%85n%20V%C4%83n%20An",
    "Nguy%e1%bb%85n%20V%c4%83n%20An",
    "a b",
    "a+b",
    "a%2520b",
    "100%25",
    "100%",
    "%zz",
    "%F",
    "%FF",
    "%C3",
    "%00",
    "Nguyễn",
    '"a b"',
    '"a \\"b\\" \\\\c"',
    '"a',
    "%F0%9F%98%80",
    "",
)
