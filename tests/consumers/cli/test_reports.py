"""`loa report`: sealed once, made again, verified; refused for days that are not over."""

import json
from datetime import date
from pathlib import Path

import pytest

from consumers.facts.store import FactStore
from consumers.key_file import KeyFile
from consumers.operations.backup import BackupFolder, open_backup
from contracts.facts import DayFact, FactKind
from tests.consumers.periodic_reports.test_from_facts import DELIVERY, MARCH, RELEASE
from tests.support.cli import json_output
from tests.support.seals import use_key

SPAN = ("report", "span", "2026-03-01", "2026-03-31", "--name", "thang-3", "--by", "an")


@pytest.fixture
async def facts(bus, tmp_path) -> FactStore:
    await use_key(bus, tmp_path)
    store = FactStore(bus)
    days = (DayFact(on=day, counted=tuple(FactKind)) for day in sorted(MARCH.days()))
    for fact in (RELEASE, DELIVERY, *days):
        assert await store.add(fact, 0)
    return store


async def test_a_span_is_sealed_made_again_and_verified(facts, loa, tmp_path):
    sealed = await loa(*SPAN, "--json")
    answer = json_output(sealed)
    folder = tmp_path / "reports/thang-3"
    names = {"bao-cao.docx", "bao-cao.pdf", "bao-cao.xlsx"}
    assert (sealed.exit_code, set(answer["files"])) == (0, names)
    lines = (folder / "du-lieu.jsonl").read_text().splitlines()
    assert json.loads(lines[0])["streams"] == {"FACTS": 33}
    assert '["2026-03-02","deliveries.delivered","van-phong-bo"' in "\n".join(lines)
    for name in names:
        (folder / name).unlink()
    assert json_output(await loa("report", "files", "thang-3", "--json")) == answer
    found = await loa("report", "verify", "thang-3", "--json")
    assert (found.exit_code, set(json_output(found)["made_again"].values())) == (0, {True})
    assert (await loa(*SPAN)).exit_code == 2, "sealed once"


async def test_what_people_wrote_into_a_file_is_kept_when_it_is_made_again(facts, loa, tmp_path):
    await loa(*SPAN)
    file = tmp_path / "reports/thang-3/bao-cao.docx"
    made = file.read_bytes()
    file.write_bytes(made + b"of a person")
    again = json_output(await loa("report", "files", "thang-3", "--json"))
    [kept] = map(Path, again["kept"])
    assert (file.read_bytes(), kept.read_bytes()) == (made, made + b"of a person")
    assert kept.parent == file.parent and kept.suffix == ".docx"


async def test_days_that_facts_may_still_count_are_sealed_as_gaps_only_on_demand(
    facts, loa, tmp_path
):
    longer = ("report", "span", "2026-03-01", "2026-04-01", "--name", "moi", "--by", "an")
    refused = await loa(*longer)
    assert (refused.exit_code, "01/04/2026" in refused.stderr) == (2, True)
    assert not (tmp_path / "reports/moi").exists()
    assert (await loa(*longer, "--with-gaps")).exit_code == 0


async def test_days_without_any_figure_use_up_no_name_unasked(facts, loa, tmp_path):
    before = ("report", "span", "2026-02-01", "2026-02-28", "--name", "thang-2", "--by", "an")
    refused = await loa(*before)
    assert (refused.exit_code, refused.stderr.count("`loa report span` ")) == (2, 2)
    assert not (tmp_path / "reports/thang-2").exists()
    sealed = await loa(*before, "--with-gaps")
    assert sealed.exit_code == 0
    for words in ("has the SHA-256", "có mã SHA-256"):
        assert words in sealed.stdout


async def test_a_sealed_report_comes_back_from_a_backup(facts, loa, tmp_path):
    assert (await loa(*SPAN)).exit_code == 0
    report = tmp_path / "reports/thang-3"
    (report / "bao-cao.docx").write_bytes(b"finished by hand")
    (tmp_path / "reports/unsealed").mkdir()
    (tmp_path / "reports/unsealed/du-lieu.jsonl").touch()
    before = {path.name: path.read_bytes() for path in report.iterdir()}
    assert (await loa("backup", str(tmp_path / "saved"), "--by", "an")).exit_code == 0
    secret = KeyFile.open(tmp_path / "vault.key").derive("backup")
    stored = open_backup(BackupFolder(tmp_path / "saved", secret))
    (report / "bao-cao.pdf").unlink()
    (report / "bao-cao.docx").write_bytes(b"finished later")
    assert stored.put_reports_back(tmp_path / "reports") == 1
    assert (report / "bao-cao.docx").read_bytes() == b"finished later", "what is there stays"
    assert stored.put_reports_back(tmp_path / "new") == len(before)
    [restored] = (tmp_path / "new").iterdir()
    assert {path.name: path.read_bytes() for path in restored.iterdir()} == before


@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
async def test_the_list_by_author_is_a_new_file(facts, loa, tmp_path, suffix):
    file = tmp_path / f"tac-gia{suffix}"
    words = ("report", "authors", "2026-03-01", "2026-03-31", str(file), "--by", "an")
    made = await loa(*words, "--json")
    assert (made.exit_code, json_output(made)["items"]) == (0, 0)
    assert file.stat().st_size
    assert file.stat().st_mode & 0o077 == 0
    assert (await loa(*words)).exit_code == 2, "a file that is there stays"
    assert (await loa(*words[:4], "tac-gia.pdf", "--by", "an")).exit_code == 2


async def test_a_changed_data_set_or_seal_needs_a_person(facts, loa, tmp_path):
    assert (await loa(*SPAN)).exit_code == 0
    data = tmp_path / "reports/thang-3/du-lieu.jsonl"
    data.write_bytes(data.read_bytes().replace(b"90]", b"91]"))
    found = await loa("report", "verify", "thang-3")
    assert found.exit_code == 1
    assert "was changed" in found.stdout
    assert "đã bị sửa" in found.stdout
    for body in (b"", b"{}", b'{"label": "thang-3"'):
        data.with_name("niem-phong.json").write_bytes(body)
        found = await loa("report", "verify", "thang-3")
        assert (found.exit_code, "backup" in found.stdout) == (1, True), "no seal"


async def test_own_texts_and_plans_stand_in_the_report(facts, loa, tmp_path):
    own = '[masthead]\nissuer = "Văn phòng Bộ"\n[plan.thang-3]\nitems_published = 5\n'
    (tmp_path / "report.toml").write_text(own)
    assert (await loa(*SPAN)).exit_code == 0
    lines = (tmp_path / "reports/thang-3/du-lieu.jsonl").read_text().splitlines()
    header = json.loads(lines[0])
    assert header["texts"]["masthead"]["issuer"] == "Văn phòng Bộ"
    assert header["texts"]["masthead"]["nation"], "what the own file leaves out stays"
    assert header["plan"] == {"items_published": "5"}


@pytest.mark.parametrize(
    ("own", "named"),
    [("[plan.thang-3]\nitems = 5\n", "items"), ("[masthead\n", "report.toml")],
)
async def test_own_texts_that_cant_be_used_seal_nothing(facts, loa, tmp_path, own, named):
    (tmp_path / "report.toml").write_text(own)
    refused = await loa(*SPAN)
    assert (refused.exit_code, named in refused.stderr) == (2, True)
    assert not (tmp_path / "reports/thang-3/niem-phong.json").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("report", "year", "2999"),
        ("report", "span", f"{date.max}", f"{date.max}"),
        ("report", "span", "2026-03-02", "2026-03-01"),
        ("report", "span", "2026-03-01", "2026-03-02", "--name", "../x"),
        ("report", "verify", "../thang-3"),
        ("report", "verify", "2025"),
        ("report", "files", "2025"),
    ],
)
async def test_what_cant_be_sealed_or_verified_is_refused(facts, loa, tmp_path, words):
    extra = ("--by", "an") if words[1] in ("year", "span") else ()
    assert (await loa(*words, *extra)).exit_code == 2
    assert not (tmp_path / "reports").exists()


async def test_years_that_follow_one_another_are_reviewed_together(facts, loa, tmp_path):
    for first, last, name in (("01", "15", "dau"), ("16", "31", "cuoi")):
        days = (f"2026-03-{first}", f"2026-03-{last}")
        assert (await loa("report", "span", *days, "--name", name, "--by", "an")).exit_code == 0
    assert (
        await loa("report", "review", "cuoi", "dau", "--name", "ca", "--by", "an")
    ).exit_code == 0
    assert (await loa(*SPAN)).exit_code == 0
    lines = {
        name: (tmp_path / f"reports/{name}/du-lieu.jsonl").read_text().splitlines()
        for name in ("ca", "thang-3")
    }
    header = json.loads(lines["ca"][0])
    assert [part["label"] for part in header["parts"]] == ["dau", "cuoi"]
    assert _rows(lines["ca"]) == _rows(lines["thang-3"])
    assert (await loa("report", "verify", "ca")).exit_code == 0


def _rows(lines: list[str]) -> list[str]:
    return [line for line in lines if line.startswith("[")]


async def test_years_with_days_between_or_changed_ones_are_not_reviewed(facts, loa, tmp_path):
    for first, last, name in (("01", "15", "dau"), ("17", "31", "cuoi")):
        days = (f"2026-03-{first}", f"2026-03-{last}")
        assert (await loa("report", "span", *days, "--name", name, "--by", "an")).exit_code == 0
    review = ("report", "review", "dau", "cuoi", "--name", "ca", "--by", "an")
    assert (await loa(*review)).exit_code == 2
    data = tmp_path / "reports/dau/du-lieu.jsonl"
    data.write_bytes(data.read_bytes().replace(b"90]", b"91]"))
    assert (await loa("report", "review", "dau", "--name", "ca", "--by", "an")).exit_code == 2
    assert not (tmp_path / "reports/ca/niem-phong.json").exists()
