"""From an empty folder each language publishes, is refused by name and reads the outcome.

Python and TypeScript are tried where their packages are built.
"""

import json

import pytest

from contracts.keys import content_hash
from tests.support import first_event
from tests.support.first_event import EVENT, LANGUAGES, PACKAGED, UNIT
from tests.support.loa_process import LoaProcess
from tests.support.repository import ROOT
from tests.support.scripted_door import Given, serving

EVENT_ID = "fbdkp2tkmq6csievphrou46pin"
VECTORS = ROOT / "contracts" / "schemas" / "vectors.json"
COMPILED = {
    "Java": ("javac -d . Publish.java", "java Publish"),
    "Go": ("go build publish.go", "./publish"),
    "C#": ("mcs -r:System.Net.Http.dll Publish.cs", "mono Publish.exe"),
}
"""How a program is compiled once, and run."""
PROBLEM = {"title": "Later", "title_vi": "Để sau", "errors": []}
PAGE = b"<html>"
"""A proxy's own answer."""
pytestmark = pytest.mark.timeout(900)


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        loa.add_unit(UNIT)
        yield loa


@pytest.mark.parametrize("name", [one for one in LANGUAGES if one not in PACKAGED])
def test_what_the_page_prints_publishes_follows_and_names_what_is_wrong(loa, tmp_path, name):
    first_event.prepare(tmp_path, name)
    send = first_event.steps_of(name).send
    first_event.require_told(first_event.typed(tmp_path, loa.ready().url, loa.key, send))


@pytest.mark.parametrize("name", PACKAGED)
def test_the_program_on_the_page_is_the_one_of_the_examples(name):
    example = (ROOT / "examples" / LANGUAGES[name].example).read_text("utf-8")
    assert example.endswith("\n\n" + first_event.steps_of(name).program)


@pytest.mark.parametrize("name", COMPILED)
def test_a_program_without_a_package_computes_the_keys_and_sends_again(loa, tmp_path, name):
    first_event.prepare(tmp_path, name)
    event = json.loads((tmp_path / EVENT).read_text("utf-8"))
    build, program = COMPILED[name]
    done = run(tmp_path, loa.ready().url, f"{build} && {program} {EVENT}", loa.key)
    assert done.returncode == 0, done
    said = done.stdout.splitlines()
    assert said[:2] == [f"accepted {EVENT_ID}", "event_id is as computed here"]
    assert said[2] == f"content hash {content_hash(event['type'], event['data'])}"
    refused = run(tmp_path, loa.ready().url, f"{program} wrong.json", loa.key)
    assert (refused.returncode, refused.stdout) == (2, ""), refused
    assert refused.stderr.startswith("422 The event is not valid / Sự kiện không hợp lệ\n")
    holds_the_vectors(tmp_path, program)
    sends_again(tmp_path, program)
    leaves_a_long_wait_to_its_caller(tmp_path, program)


def run(folder, url, script, key="k"):
    return first_event.typed(folder, url, key, script)


def holds_the_vectors(folder, program):
    held = run(folder, "", f"{program} --vectors {VECTORS}")
    assert (held.returncode, held.stdout[:18]) == (0, "every vector holds"), held
    wrong = json.loads(VECTORS.read_text("utf-8"))
    for group in ("digest", "event_id", "content_hash"):
        wrong[group][3][group] = "a" * len(wrong[group][3][group])
    (folder / "broken.json").write_text(json.dumps(wrong))
    found = run(folder, "", f"{program} --vectors broken.json")
    assert (found.returncode, found.stdout) == (1, "digest[3]\nevent_id[3]\ncontent_hash[3]\n")


def sends_again(folder, program):
    """After a slow request, a proxy's page, and a Retry-After that is a date, as proxies write."""
    date = {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}
    accepted = {"event_id": EVENT_ID, "status_url": "/v1/events/x", "errors": []}
    with serving() as door:
        door.answers = [
            Given(408, PROBLEM),
            Given(502, PAGE),
            Given(503, PROBLEM, date),
            Given(202, accepted),
            Given(502, PAGE),
            Given(200, {"state": "released"}),
        ]
        done = run(folder, door.url, f"{program} {EVENT}")
        assert (done.returncode, door.answers) == (0, []), done
        assert len({body for _, _, body in door.asked[:4]}) == 1
        assert done.stderr.count("answered 502, and not as Loa does") == 2, done


def leaves_a_long_wait_to_its_caller(folder, program):
    """After one try, so that no repeat comes before its time; this test's limit is less."""
    hour = {"Retry-After": "3600"}
    for given, says in (
        (Given(503, PROBLEM, hour), "503 "),
        (Given(502, PAGE, hour), "answered 502"),
    ):
        with serving() as door:
            door.answers = [given]
            done = run(folder, door.url, f"{program} {EVENT}")
        assert (done.returncode, len(door.asked)) == (3, 1), done
        assert done.stderr.startswith(says), done
