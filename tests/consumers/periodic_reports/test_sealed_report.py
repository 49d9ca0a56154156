"""A sealed report: the same bytes again from the same facts, and no changed byte passes."""

import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import partial
from pathlib import Path
from shutil import copytree

import pytest

from consumers.key_file import KeyFile
from consumers.periodic_reports import sealed_report
from consumers.periodic_reports.data_set import DataSet, write_data_set
from consumers.periodic_reports.errors import (
    AlreadySealed,
    DataSetBroken,
    LevelTwice,
    NotSealed,
)
from consumers.periodic_reports.rows import Row
from consumers.periodic_reports.sealed_report import FileState, SealedReport, sealing_key
from consumers.private_files import replace_file
from tests.support.report_data import (
    SILENT,
    UNREAD,
    header,
    rows_of_followers,
    rows_of_items,
    write_year,
)

KEY = sealing_key(KeyFile(b"k" * 32))


def sealed(folder, number: int = 20) -> SealedReport:
    report = SealedReport(folder, KEY)
    rows = [*rows_of_items(number), *rows_of_followers()]
    write = partial(write_data_set, header=header(), gaps=[SILENT, UNREAD], rows=rows)
    report.seal(write, lambda: 1_797_000_000.0)
    return report


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> SealedReport:
    """A report of three items, which every test leaves as it is."""
    return sealed(tmp_path_factory.mktemp("small") / "a", 3)


@pytest.fixture
def report(small, tmp_path) -> SealedReport:
    """A copy of `small`."""
    return SealedReport(Path(copytree(small.folder, tmp_path / "a")), KEY)


def test_the_same_facts_in_any_order_give_the_same_bytes(tmp_path):
    rows = [*rows_of_items(30), *rows_of_followers()]
    first = write_data_set(tmp_path / "one", header(), [SILENT, UNREAD], rows)
    random.Random(2).shuffle(rows)
    again = write_data_set(tmp_path / "two", header(), [UNREAD, SILENT, SILENT], rows)
    assert first.path.read_bytes() == again.path.read_bytes()
    assert sorted(first.rows(), key=str) == sorted(rows, key=str)
    assert first.gaps() == [UNREAD, SILENT]


def test_counts_of_the_same_are_added_up_but_never_levels(tmp_path):
    row = Row(date(2026, 3, 1), "items.published", 1, unit="van-phong-bo")
    level = Row(date(2026, 3, 1), "readers.level", 9, channel="zalo")
    data = write_data_set(tmp_path / "set", header(), [], [row, row])
    assert [*data.rows()] == [row._replace(times=2)]
    with pytest.raises(LevelTwice):
        write_data_set(tmp_path / "other", header(), [], [level, level])
    assert not (tmp_path / "other").exists()


def test_a_report_is_made_again_with_the_same_bytes(tmp_path):
    first, other = sealed(tmp_path / "a"), sealed(tmp_path / "b")
    assert first.read_seal() == other.read_seal()
    found = first.verify()
    assert found.holds
    assert set(found.files.values()) == {FileState.SAME}
    assert (len(found.made_again), all(found.made_again.values())) == (3, True)


def test_one_changed_byte_of_the_data_set_is_refused(report):
    whole, chance = report.data.path.read_bytes(), random.Random(3)
    for place in (0, len(whole) - 1, *(chance.randrange(len(whole)) for _ in range(50))):
        changed = bytearray(whole)
        changed[place] ^= 1
        report.data.path.write_bytes(changed)
        assert not report.verify().holds
    report.data.path.write_bytes(whole[:-1])
    assert not report.verify().holds
    report.data.path.write_bytes(whole)
    assert report.verify().holds


def test_a_seal_that_was_changed_or_made_with_another_key_is_refused(report):
    seal = report.folder / "niem-phong.json"
    fields = json.loads(seal.read_bytes())
    for name, value in {"label": "2027", "sha256": "0" * 64, "files": {}}.items():
        seal.write_text(json.dumps(fields | {name: value}))
        found = report.verify()
        assert (found.holds, dict(found.files)) == (False, {})
        assert found.label == report.folder.name, "as it was asked for"
    seal.write_text(json.dumps(fields))
    assert not SealedReport(report.folder, sealing_key(KeyFile(b"x" * 32))).verify().holds


def test_a_document_that_people_finished_is_told_and_is_no_fault(report):
    (report.folder / "bao-cao.docx").write_bytes(b"finished by hand")
    (report.folder / "bao-cao.pdf").unlink()
    found = report.verify()
    assert found.holds
    states = {name.rpartition(".")[2]: state for name, state in found.files.items()}
    assert states == {"docx": "changed", "pdf": "missing", "xlsx": "same"}
    assert dict(report.write_files()) == dict(report.read_seal().files)
    assert set(report.verify().files.values()) == {FileState.SAME}


def test_a_report_is_sealed_once(report, tmp_path):
    with pytest.raises(AlreadySealed):
        sealed(report.folder, 4)
    assert report.verify().holds
    with pytest.raises(NotSealed):
        SealedReport(tmp_path / "none", KEY).verify()


def test_of_those_who_seal_at_once_one_is_first(tmp_path):
    with ThreadPoolExecutor(3) as pool:
        tries = [pool.submit(sealed, tmp_path / "a", number) for number in (3, 4, 5)]
        refused = [type(one.exception()) for one in tries if one.exception()]
    assert refused == [AlreadySealed] * 2
    (report,) = (one.result() for one in tries if not one.exception())
    assert report.verify().holds


@pytest.mark.parametrize("written", range(4))
def test_what_a_kill_leaves_is_no_report_and_the_next_try_is_whole(
    small, tmp_path, monkeypatch, written
):
    """Three files, then the seal."""
    left = [written]

    def replace_or_die(path: Path, body: bytes) -> None:
        if not left[0]:
            raise _Killed
        left[0] -= 1
        replace_file(path, body)

    with monkeypatch.context() as patch, pytest.raises(_Killed):
        patch.setattr(sealed_report, "replace_file", replace_or_die)
        sealed(tmp_path / "a", 3)
    with pytest.raises(NotSealed):
        SealedReport(tmp_path / "a", KEY).verify()
    assert bytes_of(sealed(tmp_path / "a", 3)) == bytes_of(small)


def bytes_of(report: SealedReport) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in report.folder.iterdir()}


class _Killed(Exception):
    pass


def test_a_file_that_is_no_data_set_is_told(tmp_path):
    path = tmp_path / "set"
    path.write_bytes(b"{}\n")
    with pytest.raises(DataSetBroken):
        DataSet(path).header()
    whole = write_year(tmp_path / "whole", 1).path.read_bytes()
    path.write_bytes(whole + b'["2026-02-30","items.published"]\n')
    with pytest.raises(DataSetBroken):
        list(DataSet(path).rows())
