"""Events that are wrong in many ways, from a seed: good ones, each with one to three mutations."""

import copy
import json
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

from contracts.testing import KIND_NAMES, sample

Event = dict[str, Any]
_BULLETIN = "ban-tin-cai-cach-hanh-chinh"
_ISSUE = {
    "series": _BULLETIN,
    "year": 2026,
    "number": 3,
    "first_day": "2026-11-02",
    "last_day": "2026-11-08",
    "gathered_until": "2026-11-09T00:00:00+07:00",
    "introduction": "Mở đầu.",
    "sections": [
        {
            "id": "thu-tuc",
            "name": "Cải cách *thủ tục*",
            "entries": [
                {"content_id": "mot", "revision": 1, "title": "1. Tin [một]", "text": "- Nội dung"},
                {"content_id": "hai", "revision": 2, "title": "Tin hai"},
            ],
        },
        {"id": "trong", "name": "Mục trống"},
    ],
    "amendments": [
        {
            "content_id": "ba",
            "revision": 3,
            "title": "Tin ba",
            "change": "corrected",
            "reason": "Sai ngày.",
        },
        {"content_id": "bon", "revision": 3, "title": "Tin bốn", "change": "withdrawn"},
    ],
    "masthead": "Vụ Cải cách hành chính",
    "compiled_by": "Tổ biên soạn",
}
_ISSUE_BODY = (
    "Mở đầu.\n\n## Cải cách \\*thủ tục\\*\n\n### [1\\. Tin \\[một\\]](mot)\n\n\\- Nội dung\n\n"
    "### [Tin hai](hai)\n\n## Đính chính, gỡ tin\n\n"
    "[Tin ba](ba): tin đã đăng ở số trước nay đã được đính chính. Sai ngày.\n\n"
    "[Tin bốn](bon): tin đã đăng ở số trước nay đã được gỡ.\n\n---\n\n"
    "Biên soạn: Tổ biên soạn\n\nVụ Cải cách hành chính"
)
_PLAN = {
    "purpose": "Tuyên truyền.",
    "first_day": "2026-11-01",
    "last_day": "2026-11-30",
    "partners": ["van-phong-bo", "vu-phap-che"],
    "entries": [
        {"number": 1, "title": "Tin một", "day": "2026-11-05", "unit": "van-phong-bo"},
        {"number": 7, "title": "Tin bảy", "day": "2026-11-20", "channel": "email"},
    ],
    "targets": [{"metric": "items", "number": 5}, {"metric": "delivered", "number": 1000}],
}
_INTERRUPTION = {
    "services": ["Cổng dịch vụ công", "Thư điện tử"],
    "begins_at": "2026-12-20T08:00:00+07:00",
    "expected_recovery_at": "2026-12-20T18:00:00+07:00",
    "cause": "Nâng cấp.",
    "alternative": "Nộp trực tiếp.",
}
_ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 5, 86400, -86400, 86_400_000 * 300_000, 2**60,
    2**31 - 1, 2**31, 2**53, 10**30, 1.0, 1.5, -2.5e-7,
    1e17, "", " ", "a",
    "A", "x" * 65, "x" * 151, "x" * 301, "x" * 501, "1", "true", [], ["a",
    "a"], [1, None], {}, {"a": 1}, "\t",
    "hai\ndòng", "Bộ \u0000", "a\u202eb", "a\ufffdb", "\u00d0à Nẵng", "=?utf-8?q?a?=",
    "a\u200bb", "\ufeffa",
    "e" + "\u0301" * 20, "ộ" * 150, "o\u0323\u0302" * 150, "😀" * 150, "😀" * 151,
    "2026-11-24T08:00:00+07:00",
    "2026-11-24 08:00:00", "2026-02-30T08:00:00Z", "2026-11-24T24:00:00Z", "2026-11-24T08:00:60Z",
    "1970-12-31T23:59:59Z", "2201-01-01T00:00:00Z", "0000-01-01T00:00:00Z",
    "2026-11-24T08:00:00.123456789z",
    "2026-11-24T08:00:00+24:00", "2026-11-24T08:00:00+07:60", "٢٠26-11-24T08:00:00Z",
    "2026-11-30", "2026-02-29",
    "2026-1-1", "20261130", "http://a", "https://moha.gov.vn/a?b=c#d", "ftp://a", "http://",
    "http://a@b/",
    "http://a b", "http://[::1]/", "http://[::1", "http://a:99999/", "http://a:b/",
    "http://a/%zz", "HTTP://A.VN",
    "http://-a/", "http://a.:80/", "http://[::1]:8/x",
    "http://a/" + "x" * 2040, "http://[v1.a]/", "http://a:/",
    "van-phong-bo", "vu-tien-luong", "thanh-tra-bo", "van-phong", "chuyen-doi-so", "chuyen-doi",
    "dinh-chinh",
    "cong-dan", "cong dan", "ha-noi", "ha-nội", "sai-gon", "portal", "PORTAL", "urgent",
    "notice", "18-24",
    "nguoi@example.com", "a@b", "a@b..vn", "0912345678", "+84 912.345-678", "84123456789",
    "123", "vi", "en-GB",
    "EN", "application/pdf", "pdf", "G09.20-20260609-0092637", "G٠٩.20-20260609-0092637",
    "000.00.00.G09", "G09",
    "case-abcdefghijklmnopqrst", "letter-abcdefghijklmnopqrst", "digest-daily-2026-11-26",
    "1.005129", "apology",
    "TCVN3: Bé Néi vô th«ng b¸o vÒ viÖc tæ chøc", "ThÃ´ng bÃ¡o cá»§a Bá»™ Ná»™i vá»¥",
    "CẤP XÃ”", "«lá»…»",
    "Boä Noäi vuï thoâng baùo veà vieäc toå chöùc", "Hµ Néi", "Café Müller", "Người lao động",
    "Đà Nẵng",
    "Bµi viÕt nµy ®­îc so¹n b»ng ph«ng ch÷ cò", "B© NÈi vÙ th«ng bÛo", "a" * 70, "\u1e9e", "Å",
    "ﬁ", "\x85",
)  # fmt: skip
_ODD_NAMES = (
    "tittle",
    "Title",
    "bodi",
    "revison",
    "kenh",
    "",
    "1",
    "2",
    "__proto__",
    "a.b",
    "x" * 250,
    "toPic",
    "cha\u0301n",
)
_MARKDOWN = (
    "| a | b |\n|---|---|\n" + "x\n" * 3000,
    "> " * 300 + "a\n" * 200,
    "- a\n" * 9000,
    "[a]: http://a/" + "x" * 2000 + "\n" + "[a] " * 400,
    "[a](b) " * 900,
    "`a` " * 4000,
    '# A\n\nvăn bản **đậm** [nối](https://a.vn/b "c")\n\n1. một\n2. hai\n\n    mã\n',
    "<https://a.vn> " * 2000,
    '\u00a0&<>"\t' * 9000,
    "[a]:\n> <b c> 'tựa'\n[a]" + "]" * 3000,
    "a" * 100_001,
    "\r\n\r\nmột\r\rhai\u2028ba \n\n",
)
_ATTRIBUTES = (
    "id",
    "source",
    "type",
    "subject",
    "time",
    "datacontenttype",
    "dataschema",
    "specversion",
)
_ATTRIBUTE_VALUES: tuple[Any, ...] = (
    None, 1, True, "", " ", "a b", "\u0007", "x" * 257, "x" * 513, "/units/van-phong-bo",
    "//units/van-phong-bo",
    "/units/vu-phap-che", "/units/vu-tien-luong", "/Units/van-phong-bo", "/a/../units/x",
    "%2Funits/x", "urn:cms:1",
    "số", "/units/%zz", "1.0", "1", "application/json", "application/xml",
    "application/a+json; charset=utf-8",
    "text/json; charset=latin1", "vn.gov.moha.content.submitted.v1",
    "vn.gov.moha.content.submited.v1", "x",
    "2026-11-24T08:00:00+07:00", "2026-11-24", "kenh", [], {}, 1.5, 2**40, "\ud83d\ude00",
)  # fmt: skip
_EXTENSIONS = (
    "sourc",
    "idd",
    "submitter",
    "Submitter",
    "traceparent",
    "sequence",
    "data_base64",
    "x" * 70,
    "ho-ten",
    "tpye",
    "7",
    "data2",
)

_DOUBTFUL = (
    "Th?ng b?o", "h?i", "có gì?", "https://a.vn/?a=b?c", "ngh? ?nh", "Vi?t", "²?a", "a?̣",
    "Th&ocirc;ng", "&amp;", "&nbsp;", "&xyz;", "&notit;", "&Hat;", "&fjlig;", "&#225;", "&#x1EA1;",
    "&#127;", "&#150;", "&#000;", "&#11;", "&#xFFFE;", "&#999999;", "&#xD800;", "&#٤٥;",
    "&toString;",
    "Tho^ng", "ba'o", "ddu+o+.c", "DDa(.c", "Vie^.t", "C++", "x^2", "o^", "nghie^ng.", "ngu+o+`i?",
    "ThÃ´ng", "Bá»™", "Người", "lao động", "và", "an", '"Bộ"', "'a'", "<b>", "a&b", "—", "…",
    "😀" * 9, "🇻🇳🇱🇦" * 4, "👍🏽", "👨\u200d👩\u200d👧", "ê\u0323" * 5, "q\u0307\u0323" * 30,
    "x" * 70,
)  # fmt: skip
"""Parts of texts that are taken, some of them with a warning."""


class Case(NamedTuple):
    """One event as bytes, perhaps with headers, and the unit that sends it."""

    body: bytes
    headers: dict[str, str] | None = None
    unit: str | None = None


def good_events() -> Iterator[Event]:
    """Every sample, and one event for each part that no sample has."""
    for kind in KIND_NAMES:
        yield sample(kind)
    issue = {"content_id": f"{_BULLETIN}-2026-so-03", "topic": _BULLETIN, "body": _ISSUE_BODY}
    yield _without_subject(sample(**issue, bulletin=copy.deepcopy(_ISSUE)))
    own = {"content_id": "chuyen-de-1", "campaign": "chuyen-de-1"}
    yield _without_subject(sample(**own, campaign_plan=copy.deepcopy(_PLAN)))
    yield sample(interruption=copy.deepcopy(_INTERRUPTION))
    yield sample(campaign="chuyen-de-1", campaign_entry=7)
    yield sample("updated", notice="apology", new_due_at="2026-07-30T17:00:00+07:00")


def _without_subject(event: Event) -> Event:
    del event["subject"]
    return event


def doubtful_events(seed: int, count: int) -> Iterator[Case]:
    """Events whose texts may be warned of: damaged in part, or too long for Zalo."""
    for number in range(count):
        random = Random(f"{seed}/{number}")
        texts = {
            name: " ".join(random.choices(_DOUBTFUL, k=random.randint(1, longest)))
            for name, longest in (("title", 40), ("short_title", 24), ("summary", 9), ("body", 60))
        }
        if random.random() < 0.5:
            del texts["short_title"]
        channels = random.choice((["portal", "zalo"], ["email"]))
        yield Case(_bytes(sample(**texts, channels=channels)))
    yield Case(_bytes(sample("withdrawn", title="Tin " * 60)))
    yield Case(_bytes(sample("updated", authority="Th?ng b?o")))


def cases(seed: int, count: int) -> Iterator[Case]:
    """Good events, then *count* mutated ones."""
    good = [*good_events()]
    yield from (Case(_bytes(event)) for event in good)
    for number in range(count):
        random = Random(f"{seed}/{number}")
        event = copy.deepcopy(good[number % len(good)])
        for _ in range(random.randint(1, 3)):
            random.choice(_MUTATIONS)(random, event)
        unit = random.choice(
            (None, None, "van-phong-bo", "vu-phap-che", "thanh-tra-bo", "vu-tien-luong")
        )
        yield _sent(random, event, unit)


def _sent(random: Random, event: Event, unit: str | None) -> Case:
    form = random.random()
    if form < 0.1:
        return Case(_damaged(random, _bytes(event)), None, unit)
    if form < 0.2:
        return _binary(random, event, unit)
    return Case(_bytes(event), None, unit)


def _bytes(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _binary(random: Random, event: Event, unit: str | None) -> Case:
    attributes = {name: str(value) for name, value in event.items() if name != "data"}
    headers = {
        f"ce-{name}": value.encode("ascii", "replace").decode()
        for name, value in attributes.items()
    }
    kind = (
        "application/json",
        "text/plain",
        "application/json; charset=utf-16",
        "application/cloudevents-batch+json",
    )
    headers["Content-Type"] = random.choice((kind[0], kind[0], kind[0], *kind))
    headers["ce-submitter"] = random.choice(
        ("Nguy%E1%BB%85n", "a%zz", "%ff", '"a\\"b"', "a b", "%00")
    )
    return Case(_bytes(event.get("data", {})), headers, unit)


def _damaged(random: Random, body: bytes) -> bytes:
    """*body* with a mistake that no JSON may have."""
    place = random.randrange(len(body))
    return random.choice(
        (
            body[:place],
            body[:place] + b"\xff" + body[place:],
            b"\xef\xbb\xbf" + body,
            body.decode("utf-8", "replace").encode("utf-16"),
            body.replace(b'"', b"'", 2),
            body.replace(b":", b" ", 1),
            body.replace(b'": "', b'": "\\x', 1),
            body.replace(b'": "', b'": "\\u12', 1),
            body.replace(b'": "', b'": "\\ud83d', 1),
            body.replace(b'": "', b'": "\n', 1),
            body.replace(b'"id"', b'"id": NaN, "id"', 1),
            body.replace(b'"id"', b'"id": 1e999, "id"', 1),
            body.replace(b'"id"', b'"source"', 1),
            body + b" x",
            b" ",
            b"[" * 20 + b"]" * 20,
            b'{"a":' * 14 + b"1" + b"}" * 14,
            b"null",
            b'"a"',
        )
    )


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values inside *value*."""
    entries = (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, list)
        else ()
    )
    for name, inner in entries:
        yield (*path, name)
        yield from _places(inner, (*path, name))


def _parent(event: Event, path: tuple[Any, ...]) -> Any:
    value: Any = event["data"]
    for name in path[:-1]:
        value = value[name]
    return value


def _some_place(random: Random, event: Event) -> tuple[Any, ...] | None:
    places = [*_places(event.get("data", {}))]
    return random.choice(places) if places else None


def _replace(random: Random, event: Event) -> None:
    if path := _some_place(random, event):
        _parent(event, path)[path[-1]] = copy.deepcopy(random.choice(_ODD_VALUES))


def _remove(random: Random, event: Event) -> None:
    if path := _some_place(random, event):
        del _parent(event, path)[path[-1]]


def _add(random: Random, event: Event) -> None:
    objects = [event["data"]] if isinstance(event.get("data"), dict) else []
    objects += [
        _value(event, path)
        for path in _places(objects and objects[0])
        if isinstance(_value(event, path), dict)
    ]
    if objects:
        random.choice(objects)[random.choice(_ODD_NAMES)] = random.choice(_ODD_VALUES)


def _value(event: Event, path: tuple[Any, ...]) -> Any:
    return _parent(event, path)[path[-1]]


def _repeat(random: Random, event: Event) -> None:
    lists = [
        value
        for path in _places(event.get("data", {}))
        if isinstance(value := _value(event, path), list) and value
    ]
    if lists:
        chosen = random.choice(lists)
        chosen.extend(
            copy.deepcopy(random.choice(chosen)) for _ in range(random.choice((1, 1, 4, 30, 120)))
        )


def _set_field(random: Random, event: Event) -> None:
    """A known field that the event may lack."""
    if isinstance(event.get("data"), dict):
        names = (
            "short_title",
            "author",
            "cover",
            "links",
            "audiences",
            "channels",
            "lane",
            "not_before",
        )
        more = (
            "expires_at",
            "broadcast",
            "bulletin",
            "campaign",
            "interruption",
            "campaign_plan",
            "reason",
            "status",
        )
        event["data"][random.choice(names + more)] = copy.deepcopy(random.choice(_ODD_VALUES))


def _write_body(random: Random, event: Event) -> None:
    if isinstance(event.get("data"), dict):
        event["data"]["body"] = random.choice(_MARKDOWN)


def _set_attribute(random: Random, event: Event) -> None:
    event[random.choice(_ATTRIBUTES)] = random.choice(_ATTRIBUTE_VALUES)


def _drop_attribute(random: Random, event: Event) -> None:
    event.pop(random.choice((*_ATTRIBUTES, "data")), None)


def _extend(random: Random, event: Event) -> None:
    for _ in range(random.choice((1, 1, 40))):
        name = random.choice(_EXTENSIONS) if random.random() < 0.7 else f"e{random.randrange(99)}"
        event[name] = random.choice(_ATTRIBUTE_VALUES)


_MUTATIONS = (
    _replace, _replace, _replace, _remove, _add, _repeat, _set_field, _write_body,
    _set_attribute, _drop_attribute,
    _extend,
)  # fmt: skip
