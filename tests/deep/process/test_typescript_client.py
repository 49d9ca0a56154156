"""The client in TypeScript judges as Loa does, and sends events over HTTP to a real Loa."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from contracts.events import find_warnings
from contracts.schemas import schema_files
from contracts.testing import ContractBroken, check_event
from tests.support import first_event
from tests.support.event_mutations import Case, cases, doubtful_events, good_events
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess
from tests.support.typescript_client import SOURCE, TypeScriptClient

VECTORS = Path(schema_files.__file__).with_name("vectors.json")
SEED, MUTATED, DOUBTFUL = 20, 600, 300
README = (SOURCE / "README.md").read_text("utf-8")
PROGRAM, NATS_PROGRAM = re.findall(r"^```ts\n(.*?)^```", README, re.M | re.S)


@pytest.fixture(scope="session")
def client(tmp_path_factory):
    return TypeScriptClient(tmp_path_factory.mktemp("typescript"))


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        loa.add_unit()
        yield loa


@pytest.fixture(scope="module")
def key_of_page(loa):
    """The key of the unit that the pages send for."""
    own, key = loa.key, loa.add_unit(first_event.UNIT)
    loa.key = own
    return key


def test_its_own_tests_hold(client):
    tests = sorted(client.folder.glob("test/*.test.mjs"))
    done = client.call("node", "--test", "--test-reporter=tap", *tests)
    written = sum(len(re.findall(r"^test\(", path.read_text("utf-8"), re.M)) for path in tests)
    assert written and f"# pass {written}\n" in done.stdout, done.stdout


@pytest.fixture(scope="module")
def consumer(client, tmp_path_factory):
    """The folder of a system that was empty before it installed the package."""
    folder = tmp_path_factory.mktemp("consumer")
    first_event.prepare(folder, "TypeScript", client.pack(tmp_path_factory.mktemp("package")))
    [commands] = re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S)
    assert commands == first_event.steps_of("TypeScript").install
    shell = ["bash", "-euo", "pipefail", "-c", commands]
    subprocess.run(shell, cwd=folder, check=True, capture_output=True, timeout=400)
    (folder / "send.mts").write_text(PROGRAM, "utf-8")
    (folder / "bus.mts").write_text(NATS_PROGRAM, "utf-8")
    (folder / "send.mjs").write_text(PROGRAM, "utf-8")
    return folder


def test_what_the_readme_prints_sends_reads_the_state_and_names_a_wrong_field(
    consumer, loa, key_of_page
):
    (consumer / "wrong.mjs").write_text(PROGRAM.replace("title: ", "titel: ", 1), "utf-8")
    environ = os.environ | {"LOA_URL": loa.ready().url, "LOA_API_KEY": key_of_page}
    done, refused = (
        subprocess.run(["node", name], cwd=consumer, env=environ, capture_output=True, text=True)
        for name in ("send.mjs", "wrong.mjs")
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    assert re.fullmatch(r"accepted [a-z2-7]{26}\n(received|released)\n", done.stdout), done.stdout
    fields = {line.partition(": ")[0] for line in refused.stderr.splitlines()}
    assert (refused.stdout, fields) == ("", {"data.title", "data.titel"}), refused


WRONG = {
    "field.mts": ("title: ", "titel: "),
    "kind.mts": ("revision: 1", 'revision: "1"'),
    "type.mts": ("content.submitted.v1", "content.submited.v1"),
}


def test_what_the_readme_prints_is_well_typed_and_a_misspelt_field_is_not(client, consumer):
    for name, (right, wrong) in WRONG.items():
        assert right in PROGRAM
        (consumer / name).write_text(PROGRAM.replace(right, wrong, 1), "utf-8")
    programs = [consumer / name for name in ("send.mts", "bus.mts", *WRONG)]
    found = client.check_types(*programs).stdout
    assert {
        line.partition("(")[0].rpartition("/")[2]
        for line in found.splitlines()
        if "error TS" in line
    } == {*WRONG}


def test_the_page_of_events_sends_follows_and_names_a_wrong_field(
    client, consumer, loa, key_of_page
):
    first_event.prepare(consumer, "TypeScript")
    shutil.copy(consumer / "send.mjs", consumer / "page.mts")
    assert client.check_types(consumer / "page.mts").stdout == ""
    send = first_event.steps_of("TypeScript").send
    told = first_event.typed(consumer, loa.ready().url, key_of_page, send)
    first_event.require_told(told)
    command = send.splitlines()[0]
    first_event.require_key_told(first_event.typed(consumer, loa.ready().url, "loa_x_y", command))


API = sorted((SOURCE / "api").glob("*.d.ts"), key=lambda path: int(path.name.partition("-")[0]))
ANSWER = "export interface Accepted {"
PLANTED = {
    "Accepted": (ANSWER, f"{ANSWER} readonly gone: string;"),
    "Gone": (ANSWER, f"export interface Gone {{ a: 1 }}\n\n{ANSWER}"),
    "HttpOptions": ("readonly key: string;", ""),
    "Submitted": ("readonly author?: string | null;", "readonly author?: number | null;"),
    "Link": ("export interface Link {", "export interface Link { readonly note?: string;"),
    "keys": ("source: string, id: string): string", "source: string): string"),
    "HttpPublisher": ("Promise<Status>", "Promise<string>"),
    "checkEvent": ("CheckOptions): readonly FieldWarning[]", "CheckOptions): string"),
}
"""A promise of an earlier surface that the present one breaks, by the name that is to be told."""


def test_the_exported_types_keep_what_each_frozen_surface_promised(client):
    surface = client.call("node", "test/api.mjs", "dist/index.d.ts").stdout
    assert surface == API[-1].read_text("utf-8"), "npm run api freezes another surface"
    for frozen in API:
        assert client.call("node", "test/compatible.mjs", "dist/index.d.ts", frozen).stdout == "\n"


def test_a_breaking_change_of_the_exported_types_is_told_by_name(client):
    promised = API[-1].read_text("utf-8")
    for right, wrong in PLANTED.values():
        assert right in promised
        promised = promised.replace(right, wrong, 1)
    frozen = client.folder / "promised.d.ts"
    frozen.write_text(promised, "utf-8")
    told = client.attempt("node", "test/compatible.mjs", "dist/index.d.ts", frozen)
    names = {line.partition(":")[0] for line in told.stdout.splitlines()}
    assert told.returncode == 1 and PLANTED.keys() <= names, told.stdout


def test_every_golden_vector_holds_and_a_spoilt_answer_of_each_group_is_found(client):
    held = client.call("node", "test/vectors.mjs", "dist", VECTORS)
    assert held.stdout.endswith("vectors hold\n")
    groups = [
        name for name, one in json.loads(VECTORS.read_text()).items() if isinstance(one, list)
    ]
    for group in groups:
        spoilt = client.attempt("node", "test/vectors.mjs", "dist", VECTORS, group)
        assert (spoilt.returncode, spoilt.stdout.startswith(f"{group}[0]: ")) == (1, True), group


def test_a_group_of_vectors_that_the_client_does_not_know_is_named(client, tmp_path):
    (tmp_path / "more.json").write_text(json.dumps({"new_group": [{"a": 1}]}))
    done = client.attempt("node", "test/vectors.mjs", "dist", tmp_path / "more.json")
    assert (done.returncode, done.stdout) == (1, "new_group: this client does not know it\n")


def judged(case: Case) -> dict[str, object]:
    """The verdict on an event: status, errors or warnings, as the program in JavaScript prints."""
    try:
        content = check_event(case.body, headers=case.headers, unit=case.unit)
    except ContractBroken as refused:
        errors = [[one.field, one.message, one.message_vi] for one in refused.errors]
        return {"status": refused.status, "errors": errors}
    warned = [[one.field, one.message, one.message_vi] for one in find_warnings(content)]
    return {"status": 0, "errors": warned}


def as_line(case: Case) -> str:
    body = base64.b64encode(case.body).decode()
    return json.dumps({"body": body, "headers": case.headers, "unit": case.unit})


def test_it_judges_events_as_loa_does_field_by_field_in_both_languages(client):
    tried = [*cases(SEED, MUTATED), *doubtful_events(SEED, DOUBTFUL)]
    done = client.call("node", "test/judge.mjs", client.index, input="\n".join(map(as_line, tried)))
    verdicts = [json.loads(line) for line in done.stdout.splitlines()]
    right = [judged(case) for case in tried]
    differences = [
        (case, a, b) for case, a, b in zip(tried, right, verdicts, strict=True) if a != b
    ]
    assert not differences, differences[0]
    assert [verdict["status"] for verdict in verdicts[: len([*good_events()])]] == [0] * 9
    counts = Counter(verdict["status"] for verdict in verdicts)
    assert min(counts[status] for status in (0, 400, 403, 415, 422)) > 5, counts
    assert sum(bool(one["errors"]) for one in verdicts if not one["status"]) > 50


def options(loa: LoaProcess, **more: object) -> dict[str, object]:
    return {"url": loa.ready().url, "key": loa.key, "unit": UNIT, "patienceS": 60, **more}


def test_an_event_over_http_is_accepted_delivered_and_told_of(client, loa):
    loa.readers(1)
    with client.driven(**options(loa)) as publisher:
        answer = publisher.publish(sample_event(id="ts-1", content_id="ts-1"))
        assert (answer["outcome"], answer["contentId"], answer["revision"]) == (
            "accepted",
            "ts-1",
            1,
        )
        repeated = publisher.publish(sample_event(id="ts-1", content_id="ts-1"))
        assert repeated["eventId"] == answer["eventId"]
        assert loa.trace_of_event(answer["eventId"])["channels"]["email"]["delivered"] == 1
        status = publisher.order("status", event_id=answer["eventId"])
        assert (status["state"], status["revision"]) == ("released", 1)


def test_a_dry_run_tells_what_a_batch_then_does(client, loa):
    events = [sample_event(id=f"b-{at}", content_id="ts-batch", revision=at) for at in (1, 2)]
    with client.driven(**options(loa)) as publisher:
        [expected] = publisher.order("dryRun", event=events[0])["events"]
        assert (expected["revision"], expected["is_known"], expected["release"]) == (
            1,
            False,
            "automatic",
        )
        answers = publisher.order("publishBatch", events=events)
        assert [answers[place]["revision"] for place in "01"] == [1, 2]
        assert answers["0"]["eventId"] == expected["event_id"]
        [known] = publisher.order("dryRun", event=events[0])["events"]
        assert known["is_known"]
        refused = publisher.order("publishBatch", events=[*events, events[0] | {"data": {}}])
        assert refused["errors"][0]["field"].startswith("[2].data.")


def test_a_refusal_is_the_same_before_it_is_sent_as_at_the_door(client, loa):
    broken = sample_event(id="ts-broken", titel="Tên")
    del broken["data"]["title"]
    with client.driven(**options(loa)) as publisher:
        refused = publisher.publish(broken)
    assert refused["errors"] == loa.post(broken).body["errors"]
    assert (refused["code"], refused["status"]) == ("invalid", 422)
    assert [one["field"] for one in refused["errors"]] == ["data.title", "data.titel"]


def test_refusals_that_the_door_alone_knows_name_their_field_too(client, loa):
    event = sample_event(id="ts-2", content_id="ts-2")
    with client.driven(**options(loa)) as publisher:
        assert publisher.publish(event)["outcome"] == "accepted"
        other = publisher.publish(event | {"data": event["data"] | {"title": "Tên khác"}})
        unknown = publisher.order("status", event_id="a" * 26)
    assert (other["code"], other["errors"][0]["field"]) == ("conflict", "id")
    assert (unknown["code"], unknown["errors"][0]["field"]) == ("not_found", "event_id")
    with client.driven(**options(loa, key="loa_x_y")) as stranger:
        refused = stranger.publish(event)
    assert (refused["code"], refused["errors"][0]["field"]) == ("unauthorized", "Authorization")
