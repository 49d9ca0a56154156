"""CSV import on a real bus: valid rows are stored once, invalid rows are reported."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consumers.subscribers import csv_import
from consumers.subscribers.csv_import import ImportReport, import_csv
from consumers.subscribers.store import SubscriberStore
from contracts import subjects
from contracts.subscriptions.subscriber import Subscriber
from contracts.vocabulary import DEFAULT
from producers.bus import Bucket, Bus, StorageFull
from tests.support.crashing_bus import SimulatedCrash, crashing_bus

KEY = b"k" * 32
HEADER = "email,name,topics,audiences,units,frequency"
Import = Callable[..., Any]


@pytest.fixture
def import_lines(bus: Bus, tmp_path: Path) -> Import:
    """Import rows, or a whole file as bytes; return the report."""

    async def run(*lines: str, raw: bytes | None = None, on: Any = bus) -> ImportReport:
        path = tmp_path / "subscribers.csv"
        path.write_bytes(raw if raw is not None else "\r\n".join([HEADER, *lines]).encode())
        return await import_csv(on, path, DEFAULT, KEY)

    return run


async def people(bus: Bus) -> dict[str, Subscriber]:
    """Return all subscribers by address."""
    values = bus.bucket(subjects.SUBSCRIBERS.name).values("s.")
    found = [Subscriber.model_validate_json(value.data) async for _, value in values]
    assert len({one.email for one in found}) == len(found)
    return {one.email: one for one in found}


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.added, report.updated, report.unchanged, len(report.rejected)


async def test_a_line_becomes_a_subscriber(bus, import_lines):
    """Empty columns mean everything; names are kept in one form."""
    report = await import_lines(
        "an@example.com,Nguyễn Văn An,viec-lam;cai-cach-cong-vu,cong-chuc,van-phong-bo,immediate",
        "binh@example.com,Tra\u0302\u0300n  Bi\u0300nh ,,,,",
    )
    assert counts(report) == (2, 0, 0, 0)
    one, other = [(await people(bus))[f"{name}@example.com"] for name in ("an", "binh")]
    assert (one.name, one.topics) == ("Nguyễn Văn An", ("cai-cach-cong-vu", "viec-lam"))
    assert (one.audiences, one.units) == (("cong-chuc",), ("van-phong-bo",))
    assert (one.active, len(one.id)) == (True, 16)
    assert (other.name, other.topics, other.audiences, other.units) == ("Trần Bình", (), (), ())
    assert [(event.change, event.by) for event in one.consent_history] == [("given", "import")]


async def test_twice_changes_nothing(bus, import_lines):
    lines = [f"nguoi-{n}@example.com,Người {n},viec-lam,,," for n in range(600)]
    assert counts(await import_lines(*lines)) == (600, 0, 0, 0)
    seq = await bus.bucket(subjects.SUBSCRIBERS.name).last_seq()
    assert counts(await import_lines(*lines)) == (0, 0, 600, 0)
    assert await bus.bucket(subjects.SUBSCRIBERS.name).last_seq() == seq


async def test_a_changed_line_updates_the_same_person(bus, import_lines):
    await import_lines("an@example.com,An,,,,")
    before = (await people(bus))["an@example.com"]
    assert counts(await import_lines("An@Example.com,Nguyễn Văn An,viec-lam,,,")) == (0, 1, 0, 0)
    [after] = (await people(bus)).values()
    assert (after.id, after.name) == (before.id, "Nguyễn Văn An")


async def test_an_address_twice_in_a_file_is_one_person(bus, import_lines):
    report = await import_lines(
        "an@example.com,An,,,,", "AN@example.com,An,,,,", "an@example.com,B,,,,"
    )
    assert counts(report) == (1, 2, 0, 0)  # another spelling of the address is an update
    [one] = (await people(bus)).values()
    assert (one.email, one.name) == ("an@example.com", "B")


async def test_rows_of_one_address_are_stored_in_their_order_also_across_chunks(
    bus, import_lines, monkeypatch
):
    monkeypatch.setattr(csv_import, "CHUNK_SIZE", 2)
    rows = [f"ba@example.com,Tên {n},,,,daily" for n in range(7)]
    others = [f"nguoi-{n}@example.com,,,,,daily" for n in range(7)]
    lines = [line for pair in zip(others, rows, strict=True) for line in pair]
    assert counts(await import_lines(*lines)) == (8, 6, 0, 0)
    assert (await people(bus))["ba@example.com"].name == "Tên 6"


async def test_a_chunk_that_is_refused_ends_the_import_and_the_repeat_completes_it(
    bus, import_lines, monkeypatch
):
    batch, left = Bucket.batch, iter(range(4))

    async def until_full(self, entries, **options):
        if next(left, None) is None:
            raise StorageFull("no room")
        return await batch(self, entries, **options)

    monkeypatch.setattr(csv_import, "CHUNK_SIZE", 3)
    lines = [f"nguoi-{n}@example.com,,,,,daily" for n in range(40)]
    with monkeypatch.context() as patched:
        patched.setattr(Bucket, "batch", until_full)
        with pytest.raises(StorageFull):
            await import_lines(*lines)
    assert [task for task in asyncio.all_tasks() if "_write_chunk" in repr(task)] == []
    stored = len(await people(bus))
    assert 0 < stored < 40
    assert counts(await import_lines(*lines)) == (40 - stored, 0, stored, 0)


async def test_a_new_rhythm_in_the_file_says_since_when_and_what_was_before(bus, import_lines):
    await import_lines("an@example.com,An,,,,", "binh@example.com,,,,,Daily")
    binh = (await people(bus))["binh@example.com"]
    assert (binh.frequency, binh.frequency_since, binh.frequency_before) == ("daily", None, None)
    began = datetime.now(UTC)
    assert counts(await import_lines("an@example.com,An,,,,weekly")) == (0, 1, 0, 0)
    one = (await people(bus))["an@example.com"]
    assert (one.frequency, one.frequency_before) == ("weekly", "immediate")
    assert began <= one.frequency_since <= datetime.now(UTC)
    assert counts(await import_lines("an@example.com,An,,,,weekly")) == (0, 0, 1, 0)


@pytest.mark.parametrize("purged", ["both", "person", "address"])
async def test_somebody_erased_may_subscribe_again_under_a_new_id(bus, import_lines, purged):
    await import_lines("an@example.com,An,,,,")
    before = (await people(bus))["an@example.com"]
    bucket = bus.bucket(subjects.SUBSCRIBERS.name)
    key = SubscriberStore(bus, KEY).key_of_address("an@example.com")
    for what, name in (("person", f"s.{before.id}"), ("address", key)):
        if purged in (what, "both"):
            await bucket.purge(name)
    assert counts(await import_lines("an@example.com,An,,,,")) == (1, 0, 0, 0)
    owner = await bucket.get(key)
    assert owner is not None
    assert owner.data.decode() != before.id
    assert counts(await import_lines("an@example.com,An,,,,")) == (0, 0, 1, 0)


BAD_LINES = [
    ("khong-phai-email,,,,,", "email", "e-mail"),
    ("a@b@example.com,,,,,", "email", "e-mail"),
    ("a@example.com\x01,,,,,", "email", "control"),
    ('"a@example.com\nBcc: b@example.com",,,,,', "email", "line"),
    ("nguyễn@example.com,,,,,", "email", "marks"),
    ("a%b@example.com,,,,,", "email", "%"),
    ("b.example!a@example.com,,,,,", "email", "!"),
    (f"{'x' * 65}@example.com,,,,,", "email", "64"),
    ("a@example.com,An\u202ehn,,,,", "name", "direction"),
    ('a@example.com,"An\nBcc: x",,,,', "name", "line"),
    (f"a@example.com,{'x' * 151},,,,", "name", "150"),
    ("a@example.com,,khong-co,,,", "topics", "khong-co"),
    ("a@example.com,,canh-bao-khan,,,", "topics", "label"),
    ("a@example.com,,,khong-co,,", "audiences", "khong-co"),
    ("a@example.com,,,,khong-co,", "units", "khong-co"),
    ("a@example.com,,,,hoc-vien-hanh-chinh-quoc-gia,", "units", "no longer"),
    ("a@example.com,,,,,hourly", "frequency", "hourly"),
    ("a@example.com,,,,", "line", "5"),
    ("a@example.com,,,,,,x", "line", "7"),
    ('a@example.com,"An"x,,,,', "line", "CSV"),
]


async def test_a_bad_line_names_its_field_and_the_others_go_in(bus, import_lines):
    good = [f"tot{number}@example.com,,,,," for number in range(len(BAD_LINES))]
    lines = [line for pair in zip(good, BAD_LINES, strict=True) for line in (pair[0], pair[1][0])]
    report = await import_lines(*lines, ",,,,,")  # an empty line is skipped
    assert counts(report) == (len(good), 0, 0, len(BAD_LINES))
    for (line, field, part), wrong in zip(BAD_LINES, report.rejected, strict=True):
        assert wrong.field == field, line
        assert part in wrong.message, line
        assert wrong.message_vi
    assert len(await people(bus)) == len(good)


@pytest.mark.parametrize("name", ["NguyÔn V¨n An", "Nguyeãn Vaên AÙn", "Nguyá»\x85n VÄ\x83n"])
async def test_a_name_in_a_wrong_encoding_is_refused_by_its_line(bus, import_lines, name):
    report = await import_lines("tot@example.com,Nguyễn Văn An,,,,", f"a@example.com,{name},,,,")
    [wrong] = report.rejected
    assert (wrong.line, wrong.field, counts(report)) == (3, "name", (1, 0, 0, 1))
    assert "“Nguyễn" in wrong.message and "“Nguyễn" in wrong.message_vi
    [reader] = (await people(bus)).values()
    assert reader.name == "Nguyễn Văn An"


async def test_everything_that_is_wrong_with_a_line_is_said_at_once(import_lines):
    report = await import_lines('sai,"a\nb",khong-co,khong-co,khong-co,hourly')
    named = [one.field for one in report.rejected]
    assert sorted(named) == ["audiences", "email", "frequency", "name", "topics", "units"]


async def test_lines_are_counted_as_an_editor_counts_them(import_lines):
    report = await import_lines('a@example.com,"Một tên\ndài hai dòng",,,,', "", "sai,,,,,")
    assert [one.line for one in report.rejected] == [2, 5]


WRONG_HEADERS = [
    (b"", "email,name"),
    (b"email,name,topics,audiences,units\na@example.com,,,,\n", "frequency"),
    (HEADER.encode() + b",phone\n", "phone"),
    (HEADER.encode() + b",email\n", "twice"),
    ("e-mail,họ tên\n".encode(), "email,name"),
    (HEADER.encode("utf-16-le"), "UTF-16"),
    (b'"email\n', "email,name"),
]


async def test_a_wrong_first_line_stops_the_import(bus, import_lines):
    for raw, part in WRONG_HEADERS:
        report = await import_lines(raw=raw)
        assert {(one.line, one.field) for one in report.rejected} == {(1, "header")}, raw
        assert part in report.rejected[0].message, raw
    assert await people(bus) == {}


async def test_a_byte_order_mark_other_line_ends_and_any_column_order_are_fine(bus, import_lines):
    raw = "\ufeffname,email,frequency,topics,audiences,units\nTrần Bình,b@example.com,,,,\n"
    assert counts(await import_lines(raw=raw.encode())) == (1, 0, 0, 0)
    assert (await people(bus))["b@example.com"].name == "Trần Bình"


async def test_a_list_without_quotes_where_semicolons_separate_fields_is_called_that(import_lines):
    head = "email;name;topics;audiences;units;frequency"
    row = "an@example.com;An;viec-lam;cai-cach-cong-vu;;;"
    [told] = (await import_lines(raw=f"{head}\n{row}\n".encode())).rejected
    assert all('"viec-lam;nha-o"' in said for said in (told.message, told.message_vi))


async def test_a_list_may_be_joined_by_commas_where_semicolons_separate_fields(bus, import_lines):
    head = "email;name;topics;audiences;units;frequency"
    row = "an@example.com;An;viec-lam, cai-cach-cong-vu;;;"
    assert counts(await import_lines(raw=f"{head}\n{row}\n".encode())) == (1, 0, 0, 0)
    assert (await people(bus))["an@example.com"].topics == ("cai-cach-cong-vu", "viec-lam")


@pytest.mark.parametrize("mark", [";", "\t", ","])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
async def test_a_file_is_taken_as_spreadsheets_write_it(bus, import_lines, mark, encoding):
    header = HEADER.replace(",", mark)
    row = mark.join(["b@example.com", "Trần Bình", '"viec-lam;cai-cach-cong-vu"', "", "", ""])
    raw = f"\r\n{header}\r\n{row}\r\nsai{mark * 5}\r\n".encode(encoding)
    report = await import_lines(raw=raw)
    assert counts(report) == (1, 0, 0, 1)
    assert (report.rejected[0].line, report.rejected[0].field) == (4, "email")
    one = (await people(bus))["b@example.com"]
    assert (one.name, one.topics) == ("Trần Bình", ("cai-cach-cong-vu", "viec-lam"))


@pytest.mark.parametrize(("first", "mark"), [("sep=;", ";"), ('"sep=,"', ","), ("SEP=|", "|")])
async def test_the_line_by_which_a_spreadsheet_is_told_the_separator_is_no_header(
    bus, import_lines, first, mark
):
    lines = (first, HEADER.replace(",", mark), f"b@example.com{mark * 5}", f"sai{mark * 5}")
    report = await import_lines(raw="\ufeff{}\r\n{}\r\n{}\r\n{}".format(*lines).encode())
    assert counts(report) == (1, 0, 0, 1)
    assert (report.rejected[0].line, report.rejected[0].field) == (4, "email")


async def test_utf_16_that_is_cut_or_broken_concerns_its_line_only(bus, import_lines):
    text = f"{HEADER}\na@example.com,,,,,\nb@example.com,B\ud800,,,,\nc@example.com,,,,,"
    raw = b"\xff\xfe" + text.encode("utf-16-le", "surrogatepass")[:-1]
    report = await import_lines(raw=raw)
    assert {one.line for one in report.rejected} == {3, 4}
    assert set(await people(bus)) == {"a@example.com"}


async def test_bytes_that_are_no_utf_8_concern_their_line_only(bus, import_lines):
    raw = HEADER.encode() + b"\na@example.com,Nguy\xean,,,,\nb@example.com,,,,,\n"
    report = await import_lines(raw=raw)
    assert [(one.line, one.field) for one in report.rejected] == [(2, "line")]
    assert "UTF-8" in report.rejected[0].message
    assert set(await people(bus)) == {"b@example.com"}


async def test_two_imports_at_once_make_one_person_per_address(bus, import_lines):
    lines = [f"nguoi-{n}@example.com,,,,," for n in range(700)]
    reports = await asyncio.gather(import_lines(*lines), import_lines(*lines))
    assert sum(one.added for one in reports) == 700
    assert sum(one.unchanged for one in reports) == 700
    assert len(await people(bus)) == 700


async def test_an_import_cut_short_at_any_call_is_completed_by_the_next(bus, import_lines):
    lines = [f"nguoi-{n}@example.com,,,,," for n in range(300)]
    for after in (False, True):
        for calls in range(1, 20):
            try:
                await import_lines(*lines, on=crashing_bus(bus, calls, after=after))
            except SimulatedCrash:
                continue
            break
        report = await import_lines(*lines)
        assert counts(report) == (0, 0, 300, 0)
        assert len(await people(bus)) == 300


async def test_an_address_is_not_readable_from_its_key(bus, import_lines):
    await import_lines("an@example.com,,,,,")
    other = SubscriberStore(bus, b"x" * 32).key_of_address("an@example.com")
    keys = await bus.bucket(subjects.SUBSCRIBERS.name).keys("a.")
    assert keys == [SubscriberStore(bus, KEY).key_of_address("AN@example.com")]
    assert keys != [other]
