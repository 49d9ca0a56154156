"""Tools that other systems test with: precise errors, good samples, a pytest plugin."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import contracts
from contracts import envelope
from contracts.testing import KIND_NAMES, ContractBroken, check_event, sample
from contracts.vocabulary import DEFAULT, Topic

ROOM = Path(contracts.__file__).parent
OTHER_TOPICS = DEFAULT.model_copy(update={"topics": {"khac": Topic(name="A", english="A")}})


def broken(*arguments, **named):
    with pytest.raises(ContractBroken) as caught:
        check_event(*arguments, **named)
    return caught.value


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_sample_is_good_in_every_form(kind):
    event = sample(kind)
    text = json.dumps(event, ensure_ascii=False)
    headers, body = envelope.to_binary(envelope.from_structured(event))
    seen = [check_event(event), check_event(text), check_event(text.encode())]
    assert all(read == check_event(body, headers=headers) for read in seen)


@pytest.mark.parametrize("kind", KIND_NAMES)
def test_a_sample_names_nobody_and_reserved_addresses_only(kind):
    text = json.dumps(sample(kind), ensure_ascii=False)
    assert "@" not in text or text.count("@example.com") == text.count("@")


def test_a_sample_is_yours_to_change():
    sample()["data"]["title"] = "khác"
    assert sample()["data"]["title"] != "khác"
    assert sample(title="Tin mới")["data"]["title"] == "Tin mới"


def test_an_error_reads_as_the_door_would_say_it():
    error = broken(sample(title="a\nb", topic="khong-co"))
    assert isinstance(error, AssertionError)
    assert [found.field for found in error.errors] == ["data.title", "data.topic"]
    topics = ", ".join(name for name in DEFAULT.topics if not DEFAULT.is_reserved(name))
    assert str(error).splitlines() == [
        "the door would answer 422:",
        "  data.title: must be one line: no line break or tab (U+000A, character 2)"
        " (phải nằm trên một dòng: không xuống dòng, không dùng phím Tab (U+000A, vị trí 2))",
        f"  data.topic: khong-co is not a known topic; known: {topics}"
        f" (khong-co không có trong danh mục chủ đề; các mã hợp lệ: {topics})",
    ]


@pytest.mark.parametrize(
    ("event", "named", "status"),
    [
        (b"{", {}, 400),
        (b"x" * 300_000, {}, 413),
        (b"{}", {"headers": {"Content-Type": "text/plain"}}, 415),
        ({}, {}, 422),
        (sample(), {"unit": "van-phong-bo"}, 403),
        (sample(), {"unit": "khong-co"}, 422),
        (sample(), {"vocabulary": OTHER_TOPICS}, 422),
    ],
)
def test_an_error_knows_the_answer_of_the_door(event, named, status):
    assert broken(event, **named).status == status


WHAT_IT_LOADS = """
import sys
before = set(sys.modules)
import contracts.testing, contracts.schemas.schema_files
print(*{name.partition(".")[0] for name in set(sys.modules) - before})
"""


def test_contracts_need_pydantic_alone():
    answer = subprocess.run(
        [sys.executable, "-c", WHAT_IT_LOADS], capture_output=True, text=True, check=True
    )
    theirs = {
        "annotated_types", "pydantic", "pydantic_core", "typing_extensions", "typing_inspection",
    }  # fmt: skip
    loaded = {name for name in answer.stdout.split() if not name.startswith("_sysconfigdata")}
    assert loaded - sys.stdlib_module_names == {"contracts", *theirs}


THEIR_TEST = """
import pytest


def test_good(loa_sample, loa_check_event):
    assert loa_check_event(loa_sample("corrected")).revision == 2


def test_words(loa_vocabulary):
    assert "chuyen-doi-so" in loa_vocabulary.topics


def test_bad(loa_sample, loa_check_event):
    loa_check_event(loa_sample(lane="fast"))
"""


def test_the_plugin_gives_the_checks_as_fixtures(tmp_path):
    (tmp_path / "test_theirs.py").write_text(THEIR_TEST)
    words = f"{sys.executable} -m pytest -q -p contracts.testing.plugin -p no:cacheprovider"
    plain = {"PATH": os.defpath, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    answer = subprocess.run(
        words.split(), cwd=tmp_path, env=plain | {"PYTHONPATH": str(ROOM.parent)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "1 failed, 2 passed" in answer.stdout
    assert "data.lane: must be one of: urgent, normal, bulk" in answer.stdout
