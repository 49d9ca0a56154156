"""The example over HTTP tells by its exit code, and by name, what became of an event."""

import json
import runpy
import sys

import pytest

from tests.support.gateway_client import sample_event
from tests.support.repository import ROOT
from tests.support.scripted_door import Given, serving

ACCEPTED = Given(202, {"event_id": "a" * 26, "content_id": "tin", "revision": 1})
ERROR = {"field": "Authorization", "message": "unknown key", "message_vi": "khóa không đúng"}


def problem(status: int) -> Given:
    return Given(status, {"errors": [ERROR]}, {"Retry-After": "3600"})


def state(name: str) -> Given:
    story = {"event_id": "a" * 26, "content_id": "tin", "revision": 1, "state": name}
    return Given(200, story | {"channels": {}, "timeline": []})


TOLD = "Authorization: unknown key / khóa không đúng\n"
CASES = {
    "taken": ([ACCEPTED, state("received"), state("released")], 0, "state released\n", ""),
    "refused later": ([ACCEPTED, state("refused")], 2, "state refused\n", ""),
    "never taken": ([ACCEPTED, *[state("received")] * 60], 0, "state received\n", ""),
    "refused": ([problem(422)], 2, "", TOLD),
    "a wrong key": ([problem(401)], 3, "kept ", TOLD),
    "away": ([problem(503)], 3, "kept ", ""),
    "away while asked": ([ACCEPTED, problem(503)], 3, "accepted ", TOLD),
}


@pytest.mark.parametrize("name", CASES)
def test_the_exit_code_and_each_line_tell_what_became_of_it(name, tmp_path, monkeypatch, capsys):
    answers, code, said, told = CASES[name]
    (tmp_path / "event.json").write_text(json.dumps(sample_event()), "utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["send.py", "event.json"])
    monkeypatch.setattr("time.sleep", lambda _: None)
    with serving() as door, pytest.raises(SystemExit) as ended:
        door.answers = [*answers]
        monkeypatch.setenv("LOA_URL", door.url)
        monkeypatch.setenv("LOA_API_KEY", "k")
        runpy.run_path(str(ROOT / "examples" / "send.py"))
    out, err = capsys.readouterr()
    assert (ended.value.code, err, door.answers) == (code, told, [])
    assert said in out and ("kept " in out) == said.startswith("kept"), out
