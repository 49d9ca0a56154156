"""The examples do what the documents say of them."""

import html
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import pytest

from contracts import subjects
from contracts.testing import check_event
from tests.support import requirements
from tests.support.loa_process import LoaProcess

ROOT = Path(__file__).parents[3]
EXAMPLES = ROOT / "examples"
BARE = "data.json"
"""Body in binary mode: data alone."""
EVENTS = sorted(file for file in EXAMPLES.glob("*.json") if file.name != BARE)
UNIT = "van-phong-bo"
READMES = ["README.md", "README.vi.md"]
EVENT_PAGES = {"README.md": "docs/events.md", "README.vi.md": "docs/events.vi.md"}
ADDRESS = "http://127.0.0.1:8080"
USAGE = "usage: LOA_NATS_URL=nats://... publish.py UNIT FILE"


@pytest.mark.parametrize("file", EVENTS, ids=lambda file: file.stem)
def test_every_example_is_an_event_that_a_door_takes(file):
    event = json.loads(file.read_text("utf-8"))
    assert check_event(event, unit=event["source"].removeprefix("/units/"))


def shell_blocks(page, heading):
    """Blocks that a reader pastes from one section of a page."""
    section = (ROOT / page).read_text("utf-8").split(heading)[1].split("\n## ")[0]
    return "".join(re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S))


def first_commands(readme):
    """The first event of the README, every other way to send, and a trial, in one shell."""
    ways = {"README.md": "\n## Ways to send", "README.vi.md": "\n## Các cách gửi"}[readme]
    trial = {"README.md": "\n## Try without", "README.vi.md": "\n## Gửi thử mà"}[readme]
    page = EVENT_PAGES[readme]
    return shell_blocks(readme, "\n## ") + shell_blocks(page, ways) + shell_blocks(page, trial)


@pytest.fixture
def loa(tmp_path):
    """A Loa that has just been started, seen from the folder that the README is read in."""
    requirements.curl()
    folders = {"examples": EXAMPLES, "var": tmp_path / "data", ".venv": sys.prefix}
    for name, target in folders.items():
        (tmp_path / name).symlink_to(target)
    with LoaProcess(tmp_path) as loa:
        yield loa


def typed(loa, script):
    """Output of a shell beside it, pasted literally; only the port is another one."""
    shell = ["bash", "-euo", "pipefail", "-c", script.replace(ADDRESS, loa.ready().url)]
    found = {"NO_PROXY": "127.0.0.1"}
    done = subprocess.run(
        shell, cwd=loa.folder, env=loa.environ | found, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (done.stdout, done.stderr)
    assert "knows no such variable" not in done.stderr
    return done.stdout


def test_what_the_page_of_the_door_shows_in_three_languages_works_as_it_stands(loa):
    with urlopen(f"{loa.ready().url}/docs") as answer:
        page = answer.read().decode()
    blocks = re.findall(r'<pre(?: class="([a-z]*)")?><code>(.*?)</code></pre>', page, re.DOTALL)
    shown = {name or "settings": html.unescape(text) for name, text in blocks}
    for name, file in {"event": "event.json", "node": "send.mjs", "python": "send.py"}.items():
        (loa.folder / file).write_text(shown[name], "utf-8")
    settings = shown["settings"].replace("loa_van-phong-bo_...", loa.add_unit(UNIT))
    ways = [shown["curl"], "node send.mjs", "python3 send.py", "sh examples/send.sh event.json"]
    said = typed(loa, "\n".join([settings, *ways]))
    assert said.count('"content_id":"huong-dan-nop-ho-so-truc-tuyen"') == 4, said
    assert said.count("202 ") == 2, said


def test_the_curl_example_asks_sends_and_stops_at_a_refusal(loa):
    key = loa.add_unit(UNIT)
    event = json.loads((EXAMPLES / "first-event.json").read_text("utf-8"))
    (loa.folder / "event.json").write_text(json.dumps(event), "utf-8")
    event["data"]["titel"] = event["data"].pop("title")
    (loa.folder / "wrong.json").write_text(json.dumps(event), "utf-8")
    settings = f"export LOA_URL={ADDRESS} LOA_API_KEY={key}"
    send = "sh examples/send.sh"
    asked = json.loads(typed(loa, f"{settings}\n{send} event.json dry-runs"))
    assert asked["events"][0]["is_known"] is False and not asked["events"][0]["refusals"]
    sent = json.loads(typed(loa, f"{settings}\n{send} event.json"))
    assert sent["event_id"] == "fbdkp2tkmq6csievphrou46pin"
    for asks in ("", "dry-runs"):
        script = f"{settings}\n{send} wrong.json {asks} > answer.json || echo ended with $?"
        assert typed(loa, script) == "ended with 22\n"
        errors = json.loads((loa.folder / "answer.json").read_text("utf-8"))["errors"]
        assert {error["field"] for error in errors} == {"data.title", "data.titel"}


@pytest.mark.parametrize("readme", READMES)
def test_what_the_readme_prints_for_a_first_event_works_as_it_stands(loa, readme):
    said = typed(loa, first_commands(readme))
    assert said.count("HTTP/1.1 202 Accepted") == 4, said
    assert said.count('"trial":true') == 1, said
    [asked] = re.findall(
        r'^\{"dry_run".*?"channels":', (ROOT / "docs/events.md").read_text("utf-8"), re.M
    )
    assert asked in said and '"previews":{"portal.html":"<!doctype html>' in said
    shown = re.findall(r"^```json\n(.*?)^```", (ROOT / readme).read_text("utf-8"), re.M | re.S)
    assert json.loads(shown[0]) == json.loads((EXAMPLES / "first-event.json").read_text("utf-8"))
    [first] = re.findall(r'^\{"event_id".*\}$', (ROOT / readme).read_text("utf-8"), re.M)
    assert first in said
    assert f"Accepted(event_id='{json.loads(first)['event_id']}'" in said
    assert f'curl "$LOA_URL{json.loads(first)["status_url"]}" ' in first_commands(readme)
    story = loa.trace_when_complete("huong-dan-nop-ho-so-truc-tuyen")
    assert story["channels"]["email"]["expected"] == 2
    assert loa.trace_when_complete("tra-cuu-ho-so")["state"] == "released"
    assert loa.dead_letters() == []


async def test_the_python_example_publishes_and_names_what_is_wrong(bus, nats_server, tmp_path):
    def run(file: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, EXAMPLES / "publish.py", UNIT, file]
        env = os.environ | {"LOA_NATS_URL": nats_server.url}
        return subprocess.run(
            command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
        )

    assert run(EXAMPLES / "first-event.json").returncode == 0
    [message] = [one async for one in bus.scan(subjects.CONTENT.name)]
    assert message.subject == f"content.{UNIT}.submitted"
    broken = json.loads((EXAMPLES / "first-event.json").read_text("utf-8"))
    del broken["data"]["title"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    refused = run(tmp_path / "broken.json")
    assert refused.returncode == 2
    assert "data.title: là trường bắt buộc" in refused.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], USAGE),
        ([UNIT], USAGE),
        ([UNIT, "khong-co.json"], "khong-co.json"),
        ([UNIT, "."], USAGE),
        ([UNIT, "hong.json"], "event: không phải JSON hợp lệ"),
        ([UNIT, "mang.json"], "event: phải là một đối tượng JSON"),
    ],
    ids=["nothing", "too little", "no such file", "a folder", "no JSON", "no event"],
)
def test_the_python_example_says_what_it_needs_instead_of_a_traceback(tmp_path, words, says):
    (tmp_path / "hong.json").write_text("{")
    (tmp_path / "mang.json").write_text("[1]")
    command = [sys.executable, EXAMPLES / "publish.py", *words]
    env = os.environ | {"LOA_NATS_URL": "nats://127.0.0.1:4222"}
    run = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert says in run.stderr and "Traceback" not in run.stderr


@pytest.mark.parametrize("words", [[], [UNIT, "khong-co.json"], [UNIT, "first-event.json"]])
def test_the_python_example_names_a_key_file_of_no_use_before_all_else(tmp_path, words):
    command = [sys.executable, EXAMPLES / "publish.py", *words]
    env = {name: value for name, value in os.environ.items() if not name.startswith("LOA_")}
    env |= {"LOA_NATS_NKEY_FILE": "/nowhere.nk"}
    run = subprocess.run(
        command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stdout) == (2, "")
    assert run.stderr.startswith("LOA_NATS_NKEY_FILE: /nowhere.nk can't be read: No such file")
