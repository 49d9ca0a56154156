"""`loa conformance`: exit codes, and answers for people and for programs."""

import json
import socket

import pytest
from typer.testing import CliRunner

from contracts.testing import sample
from producers.cli import ClientSettings, app
from tests.support.json_answers import check_answer

EVENT = sample()


@pytest.fixture
def conformance(tmp_path):
    """Runs the command in a folder of its own, with one event in `event.json`."""
    (tmp_path / "event.json").write_text(json.dumps(EVENT))

    def run(*words):
        settings = ClientSettings(tmp_path / "var")
        called = ["conformance", *map(str, words)]
        return CliRunner().invoke(app, called, obj=lambda: settings, env={"LOA_API_KEY": ""})

    return run


def test_a_sender_without_a_fault_ends_with_0_and_says_which_rules_were_not_tried(
    conformance, tmp_path
):
    done = conformance(tmp_path / "event.json", "--json")
    assert done.exit_code == 0
    report = json.loads(done.stdout)
    check_answer(("conformance", "--json"), 0, done.stdout)
    assert report["passed"] and "retry-after" in report["not_tried"]


def test_a_fault_ends_with_1_and_is_said_in_both_languages(conformance, tmp_path):
    (tmp_path / "event.json").write_text(json.dumps(EVENT | {"data": EVENT["data"] | {"titel": 1}}))
    done = conformance(tmp_path / "event.json")
    assert done.exit_code == 1
    assert "FAILED / KHÔNG ĐẠT: event: every event is valid" in done.stdout
    assert "  to do / việc cần làm: correct each named field" in done.stdout
    wrong = f"  {tmp_path}/event.json: data.titel: is not a field of this event"
    [line] = [line for line in done.stdout.splitlines() if line.startswith(wrong)]
    assert "chính tả" in line
    assert done.stdout.endswith("rules are broken / có quy tắc bị vi phạm\n")


@pytest.mark.parametrize(
    ("words", "field"),
    [
        ([], "SOURCES"),
        (["no.json"], "no.json"),
        (["--steps", "500"], "--steps"),
        (["--listen", "here"], "--listen"),
        (["--listen", "127.0.0.1:99999"], "--listen"),
        (["http://127.0.0.1:9"], "--key"),
    ],
    ids=["nothing", "no file", "no step", "no address", "no port", "no key"],
)
def test_wrong_input_ends_with_2_and_names_its_field(conformance, words, field):
    done = conformance(*words)
    assert (done.exit_code, done.stdout) == (2, "")
    assert {line.partition(":")[0] for line in done.stderr.splitlines()} == {field}


@pytest.mark.parametrize("text", ["{", "[]", '{"digest": [1]}', '{"digest": 1}'])
def test_answers_that_are_no_document_of_vectors_end_with_2(conformance, tmp_path, text):
    (tmp_path / "answers.json").write_text(text)
    done = conformance("--vectors", tmp_path / "answers.json")
    assert (done.exit_code, done.stdout) == (2, ""), done.stdout
    assert done.stderr.startswith(f"{tmp_path}/answers.json: ")


def test_a_loa_that_does_not_answer_and_a_port_that_is_taken_end_with_3(conformance):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert conformance("--listen", address).exit_code == 3
    assert conformance(f"http://{address}", "--key", "loa_van-phong-bo_x").exit_code == 3
