"""Fifty texts of every kind a ministry publishes, each over the desk's pages to its readers."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta, timezone

import pytest

from consumers.cli.sample.items import TEXTS, read_sample_text
from contracts.publication import Publication
from tests.support.desk_app import OWN_HEADERS, DeskApp
from tests.support.events import register_unit, released_publications
from tests.support.newsroom import Newsroom, open_newsroom
from tests.support.uploaded_files import pdf

UNIT = "van-phong-bo"
TEXT_NAMES = sorted(path.stem for path in TEXTS.glob("*.md"))
CORRECTED, CORRECTION = "08-lich-thi-cong-chuc", "50-dinh-chinh-lich-thi"
PLANNED_STOP = "05-tam-ngung-dich-vu"
"""Its readers have to hear of it at once, seven working days ahead."""
VIETNAM = timezone(timedelta(hours=7))
LINES = ("title", "short_title", "summary", "body", "topic", "language", "author")
TIMES = ("not_before", "expires_at")
ALL_CHANNELS = ["email", "portal", "zalo"]
OF_THE_RELEASE = {
    *("content_id", "revision", "action", "unit", "first_released_at", "released_at"),
    *("event_id", "seq"),
}
"""Fields that Loa fills in of a publication; all others are typed."""


@pytest.fixture
async def newsroom(bus, clock):
    desk = DeskApp(bus, clock)
    desk.names |= {"em": "Hồ Em"}
    await register_unit(bus, UNIT, release="desk", urgent=True)
    async with open_newsroom(desk) as opened, desk.signed_in("em", "lanh-dao-duyet") as second:
        opened.browsers["em"] = second
        yield opened


async def test_each_text_is_released_as_it_was_written(newsroom):
    paths, seen = dict[str, str](), defaultdict[str, set[str]](set)
    file = await upload(newsroom)
    for number, name in enumerate(TEXT_NAMES, 1):
        data = filled_in(number, file) | read_sample_text(name)
        if "interruption" in data:
            data["audiences"] = ["cong-dan", "to-chuc"]
        if name == PLANNED_STOP:
            del data["not_before"]
        if name == CORRECTION:
            path = paths[CORRECTED]
            form = as_form(data) | {"reason": data["reason"]}
            await newsroom["an"].press(f"{path}/sua", f"{path}/sua", **form)
        else:
            path = paths[name] = await newsroom.written(**as_form(data))
        await release(newsroom, path, is_urgent=data.get("lane") == "urgent")
        released = (await released_publications(newsroom.desk.bus, path.removeprefix("/tin/")))[-1]
        found = {one: value for one, value in released.items() if one not in OF_THE_RELEASE}
        assert found == expected(data), name
        assert released["action"] == ("corrected" if name == CORRECTION else "published")
        for field, value in found.items():
            seen[field].add(repr(value))
    assert len(paths) == len(TEXT_NAMES) - 1 == 49
    assert seen.keys() == Publication.model_fields.keys() - OF_THE_RELEASE - {
        "bulletin",
        "campaign",
    }
    assert [field for field, values in seen.items() if len(values) == 1] == [], "never typed"


async def upload(newsroom: Newsroom) -> dict:
    """A file that the officer uploads, as an attachment of the contract."""
    officer = newsroom["an"]
    seal = {"seal": (await officer.get("/tep")).text.split('name="seal" value="')[1].split('"')[0]}
    headers, files = (
        OWN_HEADERS | {"Accept": "application/json"},
        {"tep": ("quyet-dinh.pdf", pdf())},
    )
    kept = await officer.client.post("/tep", data=seal, files=files, headers=headers)
    facts = {name: kept.json()[name] for name in ("url", "media_type", "size")}
    return {"title": "Quyết định", **facts}


async def release(newsroom: Newsroom, path: str, *, is_urgent: bool) -> None:
    """Send, confirm, propose and approve; what is urgent takes two who approve."""
    await newsroom.press("an", path, "gui")
    await newsroom.press("binh", path, "xac-nhan", clean="1")
    await newsroom.press("chi", path, "trinh", clean="1")
    for approver in ("dung", "em")[: 1 + is_urgent]:
        await newsroom.press(approver, path, "duyet")


def filled_in(number: int, file: dict) -> dict:
    """The fields that a text of the sample lacks, in ever other company."""
    entries = [
        {"url": f"https://example.gov.vn/{number}/{one}", "title": f"Mục {one}"} for one in range(4)
    ]
    begins = datetime(2027, 1, 16 + number % 9, number % 24, 30, tzinfo=VIETNAM)
    cover = {"url": f"https://example.gov.vn/anh/{number}.jpg", "alt": f"Ảnh bìa {number}"}
    several = 4 if number == len(TEXT_NAMES) else 2
    chosen = {
        "short_title": f"Tin số {number}" if number % 2 else "",
        "summary": f"Tóm tắt của tin số {number}." if number % 3 else "",
        "language": "en" if number % 5 == 0 else "vi",
        "author": f"Nguyễn Văn {number}" if number % 3 == 0 else "",
        "cover": cover if number % 4 == 0 else None,
        "links": entries[: number % (several + 1)],
        "attachments": [file, *entries][: (number + 1) % (several + 1)],
        "channels": ["portal", "email"] if number % 6 == 0 else ALL_CHANNELS,
        "lane": "bulk" if number % 7 == 0 else "normal",
        "not_before": begins if number % 4 == 1 else None,
        "expires_at": begins + timedelta(days=30, seconds=7) if number % 3 == 1 else None,
        "broadcast": None if number % 5 else NO_BROADCAST,
        "interruption": None if number % 8 else power_cut(begins),
    }
    return {name: value for name, value in chosen.items() if value}


NOT_STATED = {"force_majeure": None, "resumed_at": None}
"""Fields that an interruption may leave out."""


def power_cut(begins: datetime) -> dict:
    """An interruption that no notice period holds, as it is no plan."""
    return {
        "services": ["Nộp hồ sơ trực tuyến", "Thanh toán phí"],
        "begins_at": begins.isoformat(),
        "expected_recovery_at": (begins + timedelta(hours=6)).isoformat(),
        "cause": "Sự cố nguồn điện",
        "alternative": "Nộp hồ sơ tại Bộ phận Một cửa",
        "force_majeure": "Bão làm đứt đường điện",
    }


NO_BROADCAST = {
    "enabled": False,
    "ages": [],
    "gender": "all",
    "regions": [],
    "provinces": [],
    "also": [],
}


def as_form(data: dict) -> dict:
    """A text as a person fills in the form's fields."""
    fields = {name: data.get(name, "") for name in LINES}
    fields |= {"audiences": data.get("audiences", []), "channels": data["channels"]}
    fields |= {"lane": data["lane"], "broadcast": [] if data.get("broadcast") else "1"}
    for name in TIMES:
        at = data.get(name)
        fields[name] = typed(at) if at else ""
    fields |= {f"cover.{key}": value for key, value in (data.get("cover") or {}).items()}
    for name in ("links", "attachments"):
        for number, one in enumerate(data.get(name, [])):
            fields |= {f"{name}.{number}.{key}": one[key] for key in ("url", "title")}
    for name, value in data.get("interruption", {}).items():
        words = value if isinstance(value, str) else "\n".join(value)
        is_time = name.endswith("_at")
        fields[f"interruption.{name}"] = typed(datetime.fromisoformat(words)) if is_time else words
    return fields


def typed(at: datetime) -> str:
    """A time as a person types it."""
    return f"{at.astimezone(VIETNAM):%Y-%m-%dT%H:%M:%S}"


def expected(data: dict) -> dict:
    """The publication of a text, but for what Loa says of it."""
    facts = {"summary": "", "author": None, "cover": None, "broadcast": None, "reason": ""} | data
    facts["audiences"] = data.get("audiences", [])
    facts["links"] = data.get("links", [])
    facts["attachments"] = [attached(one) for one in data.get("attachments", [])]
    if stopped := data.get("interruption"):
        times = {name: at for name, at in stopped.items() if name.endswith("_at")}
        times = {name: stated(datetime.fromisoformat(at)) for name, at in times.items()}
        facts["interruption"] = NOT_STATED | stopped | times
    return facts | {name: data.get(name) and stated(data[name]) for name in TIMES}


def stated(at: datetime) -> str:
    """A time as the publication states it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def attached(one: dict) -> dict:
    """An attachment with what Loa knows of its own files, and of no others."""
    is_kept = "/tep/" in one["url"]
    return one if is_kept else {**one, "media_type": None, "size": None}
