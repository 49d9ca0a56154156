"""From an empty folder each language publishes, is refused by name and reads the outcome."""

import json
import re
import shutil
import subprocess
from typing import NamedTuple

import pytest

from contracts.keys import content_hash
from contracts.schemas.vectors import GROUPS
from tests.support import requirements
from tests.support.loa_process import LoaProcess
from tests.support.repository import ROOT
from tests.support.scripted_door import Given, serving

PAGE = ROOT / "docs" / "events.md"
HEADING = "\n## Java, Go, C# and curl from an empty folder"
ADDRESS = "http://127.0.0.1:8080"
KEY = "loa_van-phong-bo_..."
EVENT = "first-event.json"
UNIT = "van-phong-bo"
CURL_GOT_AN_ERROR = 22
EVENT_ID = "fbdkp2tkmq6csievphrou46pin"
VECTORS = ROOT / "contracts" / "schemas" / "vectors.json"
KEYS_MJS = ROOT / "examples" / "keys.mjs"
pytestmark = pytest.mark.timeout(900)


class Language(NamedTuple):
    """A tool, the file below `examples/`, the start of its block, and how it is run once it ran."""

    tool: str
    file: str
    block: str
    again: str


LANGUAGES = {
    "java": Language("java", "java/Publish.java", "java", "java Publish.java"),
    "go": Language("go", "go/publish.go", "go run", "go build publish.go && ./publish"),
    "csharp": Language("mono", "csharp/Publish.cs", "mcs", "mono Publish.exe"),
}


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        loa.add_unit(UNIT)
        yield loa


def block_of(start):
    """A block of the page, which a reader pastes."""
    section = PAGE.read_text("utf-8").split(HEADING)[1].split("\n## ")[0]
    blocks = re.findall(r"^```sh\n(.*?)^```", section, re.M | re.S)
    [block] = [one for one in blocks if one.startswith(start)]
    return block


def typed(folder, loa, script):
    """A shell's answer, with the page's settings; only the key and the port differ."""
    settings = block_of("export").replace(ADDRESS, loa.ready().url).replace(KEY, loa.key)
    lines = ["export NO_PROXY=127.0.0.1", settings, script]
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", "\n".join(lines)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.parametrize("name", LANGUAGES)
def test_a_program_publishes_follows_is_refused_and_holds_the_vectors(loa, tmp_path, name):
    language = LANGUAGES[name]
    requirements.met(shutil.which(language.tool) is not None, f"needs {language.tool}")
    for source in (ROOT / "examples" / language.file, ROOT / "examples" / EVENT):
        shutil.copy(source, tmp_path)
    event = json.loads((tmp_path / EVENT).read_text("utf-8"))
    done = typed(tmp_path, loa, block_of(language.block))
    assert done.returncode == 0, done.stderr
    said = done.stdout.splitlines()
    assert said[:2] == [f"accepted {EVENT_ID}", "event_id is as computed here"]
    assert said[2] == f"content hash {content_hash(event['type'], event['data'])}"
    assert said[3] in ("state released", "state received")  # the latter after a minute, under load
    names_what_is_wrong(tmp_path, loa, language, event)
    holds_the_vectors(tmp_path, loa, language)
    sends_again(tmp_path, loa, language)


def names_what_is_wrong(folder, loa, language, event):
    event["data"]["titel"] = event["data"].pop("title")
    (folder / EVENT).write_text(json.dumps(event))
    refused = typed(folder, loa, f"{language.again} {EVENT}")
    assert (refused.returncode, refused.stdout) == (2, ""), refused
    assert refused.stderr.startswith("422 The event is not valid / Sự kiện không hợp lệ\n")
    assert "data.title: is required / là trường bắt buộc\n" in refused.stderr
    assert "\ndata.titel: " in refused.stderr


def holds_the_vectors(folder, loa, language):
    held = typed(folder, loa, f"{language.again} --vectors {VECTORS}")
    assert (held.returncode, held.stdout[:18]) == (0, "every vector holds"), held
    wrong = json.loads(VECTORS.read_text("utf-8"))
    for group in ("digest", "event_id", "content_hash"):
        wrong[group][3][group] = "a" * len(wrong[group][3][group])
    (folder / "wrong.json").write_text(json.dumps(wrong))
    found = typed(folder, loa, f"{language.again} --vectors wrong.json")
    assert (found.returncode, found.stdout) == (1, "digest[3]\nevent_id[3]\ncontent_hash[3]\n")


def sends_again(folder, loa, language):
    """After a slow request, and after an answer whose Retry-After is a date, as proxies write."""
    date = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    accepted = {"event_id": EVENT_ID, "status_url": "/v1/events/x", "errors": []}
    with serving() as door:
        door.answers = [
            Given(408, {"errors": []}),
            Given(503, {"errors": []}, date),
            Given(202, accepted),
            Given(200, {"state": "released"}),
        ]
        script = f"export LOA_URL={door.url}; {language.again} {EVENT}"
        done = typed(folder, loa, script)
        assert (done.returncode, door.answers) == (0, []), done
        assert len({body for _, _, body in door.asked[:3]}) == 1


def test_curl_publishes_reads_the_status_and_is_refused_by_name(loa, tmp_path):
    requirements.curl()
    shutil.copy(ROOT / "examples" / EVENT, tmp_path)
    done = typed(tmp_path, loa, block_of("curl"))
    assert done.returncode == 0, done.stderr
    answer, status = (json.loads(line) for line in done.stdout.replace("}{", "}\n{").splitlines())
    assert answer["event_id"] == EVENT_ID
    assert status["state"] in ("received", "released")
    event = json.loads((tmp_path / EVENT).read_text("utf-8"))
    event["data"]["titel"] = event["data"].pop("title")
    (tmp_path / EVENT).write_text(json.dumps(event))
    assert typed(tmp_path, loa, block_of("curl")).returncode == CURL_GOT_AN_ERROR
    errors = json.loads((tmp_path / "answer.json").read_text("utf-8"))["errors"]
    assert {error["field"] for error in errors} == {"data.title", "data.titel"}


def test_the_javascript_example_finds_one_wrong_vector_of_each_group(tmp_path):
    requirements.node()
    answers = KEYS_MJS.read_text("utf-8").split("const ANSWERS")[1]
    wrong = json.loads(VECTORS.read_text("utf-8"))
    groups = [name for name in GROUPS if re.search(rf"^  {name}\b", answers, re.M)]
    assert len(groups) == 12
    for name in groups:
        word = [word for word in wrong[name][0] if word not in GROUPS[name].names][-1]
        wrong[name][0][word] = "wrong"
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    command = ["node", KEYS_MJS, tmp_path / "wrong.json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 1
    assert {line.partition("[0]")[0] for line in done.stdout.splitlines()} == set(groups)
