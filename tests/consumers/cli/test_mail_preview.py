"""`loa mail preview`: the mail as it would come, before and after an item is out."""

from email import message_from_bytes, policy

import pytest

from channels.email.render.preview import SAMPLE_ADDRESS, SAMPLE_NAME
from tests.support.cli import json_output
from tests.support.events import ITEM, UNIT, corrected, register_unit, submitted, withdrawn

TITLE = "Bộ Nội vụ ra mắt kênh thông tin trên Zalo"


@pytest.fixture
def preview(loa, tmp_path):
    """The command on the tests' bus: exit code, what it printed, the files by ending."""
    known = {
        "LOA_PUBLIC_URL": "https://thong-bao.moha.example",
        "LOA_EMAIL_FROM": "Bộ Nội vụ <thong-bao@moha.example>",
    }

    async def preview(*words, shown=False):
        out = [] if shown else ["--out", str(tmp_path / "out")]
        run = await loa("mail", "preview", *words, *out, **known)
        files = {path.name.partition(".")[2]: path for path in (tmp_path / "out").glob("*")}
        return run, files

    return preview


async def test_a_released_item_is_written_as_html_text_and_eml(intake, preview):
    await intake.handle(submitted(), UNIT)
    run, files = await preview(ITEM)
    assert run.exit_code == 0, run.stderr
    assert sorted(files) == ["1.new.eml", "1.new.html", "1.new.txt"]
    mail = message_from_bytes(files["1.new.eml"].read_bytes(), policy=policy.default)
    assert mail["Subject"] == TITLE
    assert mail["To"].addresses[0].addr_spec == SAMPLE_ADDRESS
    for kind, file in (("plain", "1.new.txt"), ("html", "1.new.html")):
        assert mail.get_body((kind,)).get_content() == files[file].read_bytes().decode()
        assert f"Kính gửi: Ông (Bà) {SAMPLE_NAME}" in files[file].read_text("utf-8")
    assert f"https://thong-bao.moha.example/tin/{ITEM}" in files["1.new.txt"].read_text("utf-8")
    assert f"new: {TITLE}" in run.stdout and "1.new.html" in run.stdout


async def test_without_a_folder_the_text_is_only_shown(intake, preview, tmp_path, monkeypatch):
    await intake.handle(submitted(), UNIT)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    run, files = await preview(ITEM, shown=True)
    assert (run.exit_code, files, list((tmp_path / "here").iterdir())) == (0, {}, [])
    assert f"new: {TITLE}" in run.stdout and f"tin/{ITEM}" in run.stdout
    assert run.stderr.count("--out") == 2
    [mail] = json_output((await preview(ITEM, "--json", shown=True))[0])["mails"]
    assert (mail["files"], mail["text"] in run.stdout) == ({}, True)


async def test_what_waits_at_the_desk_is_shown_as_approval_would_release_it(bus, intake, preview):
    await intake.handle(submitted(), UNIT)
    await register_unit(bus, release="desk")
    await intake.handle(corrected(body="Bản đúng."), UNIT)
    run, files = await preview(ITEM, "--json")
    said = json_output(run)
    assert (said["revision"], said["state"], said["by_mail"]) == (2, "waiting", True)
    assert [mail["subject"] for mail in said["mails"]] == [TITLE, f"Đính chính: {TITLE}"]
    assert {name.split(".")[1] for name in files} == {"new", "earlier"}
    assert "Bản đúng." in files["2.earlier.txt"].read_text("utf-8")
    intro = "thay thế nội dung đã gửi"
    assert [intro in files[f"2.{who}.txt"].read_text("utf-8") for who in ("new", "earlier")] == [
        False,
        True,
    ]
    eml = message_from_bytes(files["2.earlier.eml"].read_bytes())
    assert eml["In-Reply-To"] and eml["References"]
    older, _ = await preview(ITEM, "--revision", "1", "--json")
    assert json_output(older)["state"] == "released"


async def test_a_withdrawal_is_shown_as_those_get_it_who_had_the_text(intake, preview):
    await intake.handle(submitted(), UNIT)
    await intake.handle(withdrawn(), UNIT)
    _, files = await preview(ITEM)
    assert sorted(files) == ["2.earlier.eml", "2.earlier.html", "2.earlier.txt"]
    text = files["2.earlier.txt"].read_text("utf-8")
    assert "đã gỡ tin nêu dưới đây" in text and "Nội dung chưa chính xác" in text
    assert "quan tâm" not in text


async def test_an_item_that_does_not_go_by_mail_is_shown_with_a_word_on_that(intake, preview):
    await intake.handle(submitted(channels=["portal"]), UNIT)
    run, files = await preview(ITEM)
    assert len(files) == 3
    assert "does not go out by mail" in run.stderr and "không gửi qua thư điện tử" in run.stderr


@pytest.mark.parametrize("words", [("khong-co",), (ITEM, "--revision", "7")])
async def test_what_is_not_there_is_said_in_both_languages(intake, preview, words):
    await intake.handle(submitted(), UNIT)
    run, files = await preview(*words)
    assert (run.exit_code, files) == (2, {})
    assert len(run.stderr.splitlines()) == 2
