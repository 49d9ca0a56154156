"""`loa desk preview` and `show --hash`: what the desk's pages show, in files and terminals."""

import html
import json

import pytest

from consumers.editorial.log import EditorialLog
from tests.support.cli import json_output
from tests.support.events import ITEM, UNIT, corrected, register_unit, submitted

TITLE = submitted().data["title"]
URL = "https://thong-bao.moha.example"


@pytest.fixture
def preview(loa):
    async def preview(*words):
        return await loa("desk", "preview", ITEM, *words, LOA_PUBLIC_URL=URL)

    return preview


async def test_a_draft_is_shown_as_each_channel_would_show_it(bus, intake, preview, tmp_path):
    await register_unit(bus, release="desk")
    await intake.handle(submitted(body="Sáng **thứ Ba**."), UNIT)
    for face in ("portal", "mail", "feed"):
        file = tmp_path / face
        run = await preview("--as", face, "--output", str(file))
        assert run.exit_code == 0, run.stderr
        shown = html.unescape(file.read_text("utf-8"))
        assert TITLE in shown and "<strong>thứ Ba</strong>" in shown, face
        assert str(file) in run.stdout
    assert f'href="{URL}/' in (tmp_path / "portal").read_text("utf-8"), "styles of the portal"
    answer = json_output(await preview("--as", "zalo", "--json"))
    assert (answer["state"], answer["title"]) == ("waiting", TITLE)
    article = json.loads(answer["document"])
    assert (article["title"], article["paragraphs"][0]) == (TITLE, "<p>Sáng thứ Ba.</p>")


async def test_a_channel_that_an_item_does_not_go_to_is_told(intake, preview):
    await intake.handle(submitted(channels=["portal"]), UNIT)
    run = await preview("--as", "zalo")
    assert run.exit_code == 0 and "--as" in run.stderr and TITLE in run.stdout
    assert (await preview("--as", "portal")).stderr == ""


async def test_a_file_that_cannot_be_written_is_an_error(intake, preview, tmp_path):
    await intake.handle(submitted(), UNIT)
    run = await preview("--output", str(tmp_path / "none" / "a.html"))
    assert run.exit_code == 2 and run.stderr.startswith("file: ")


async def test_every_text_that_an_item_has_had_is_shown_by_its_hash(bus, intake, loa):
    await intake.handle(submitted(), UNIT)
    await intake.handle(corrected(revision=2, corrects_revision=1, body="Nội dung đúng."), UNIT)
    first, second = [act for act in (await EditorialLog(bus).history(ITEM))[1] if act.text]
    for act, number in ((first, 1), (second, 2)):
        told = json_output(await loa("desk", "show", ITEM, "--hash", act.hash, "--json"))
        assert (told["hash"], told["revision"], told["data"]) == (act.hash, number, act.text.data)
        assert f"hash: {act.hash}" in (await loa("desk", "show", ITEM, "--hash", act.hash)).stdout
    unknown = await loa("desk", "show", ITEM, "--hash", "0" * 64)
    assert unknown.exit_code == 2 and "loa desk history" in unknown.stderr
    both = await loa("desk", "show", ITEM, "--hash", first.hash, "--revision", "1")
    assert both.exit_code == 2
