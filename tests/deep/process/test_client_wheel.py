"""The wheel `loa-client` in an empty environment, beside a project that has rooms of our names."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from contracts import subjects
from tests.support import client_wheel, first_event, requirements
from tests.support.client_wheel import python_of
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess

ROOT = Path(__file__).parents[3]
ROOMS = ("channels", "consumers", "contracts", "producers")
README = ROOT / "clients" / "python" / "README.md"
VECTORS = ROOT / "contracts" / "schemas" / "vectors.json"
PUBLISH = """
import asyncio, json, sys
import channels, consumers, contracts, producers
from pathlib import Path
from loa_client import Publisher, SyncPublisher

async def main(url, unit):
    event = json.load(sys.stdin)
    async with Publisher(url, unit, Path("spool"), patience_s=120) as publisher:
        accepted = await publisher.publish(event)
    with SyncPublisher(url, unit, patience_s=120, time_limit_s=120) as publisher:
        assert publisher.publish(event).duplicate
    print(accepted.event_id, *(room.OWNER for room in (channels, consumers, contracts, producers)))

asyncio.run(main(*sys.argv[1:]))
"""
QUIET = """
import asyncio
from pathlib import Path
from loa_client import HttpPublisher, Publisher, sample

HttpPublisher("http://127.0.0.1:1", "key", Path("kept"), time_limit_s=0).publish(sample())

async def main():
    unit = "trung-tam-cong-nghe-thong-tin"
    async with Publisher("nats://127.0.0.1:1", unit, Path("kept"), patience_s=0.1) as one:
        await one.publish(sample())

asyncio.run(main())
"""
OVER_HTTP = """
import json, sys, time
from pathlib import Path
from loa_client import HttpPublisher, Invalid, Spooled

url, key = sys.argv[1:]
event = json.load(sys.stdin)
kept = HttpPublisher("http://127.0.0.1:1", key, Path("kept"), time_limit_s=0).publish(event)
assert isinstance(kept, Spooled) and kept.path.exists()
publisher = HttpPublisher(url, key, Path("kept"), patience_s=60, time_limit_s=120)
[expected] = publisher.dry_run(event).events
assert (expected.event_id, expected.is_known) == (kept.event_id, False), expected
[sent] = publisher.drain().accepted
assert [one.event_id for one in publisher.publish_batch([event])] == [sent.event_id]
assert sent.event_id == kept.event_id and not kept.path.exists()
while publisher.status(sent.event_id).state != "released":
    time.sleep(0.1)
event["id"], event["data"]["title"] = "broken", ""
try:
    publisher.publish(event)
except Invalid as refused:
    [error] = refused.errors
    print(error.field, error.message_vi)
"""
FORMER = """
import asyncio, json, sys, warnings
from pathlib import Path
warnings.simplefilter("always")
from contracts.cloudevent import CloudEvent
from contracts.testing.samples import sample
from producers.publisher import Publisher
import contracts.testing, loa_client

async def main(url, unit):
    async with Publisher(url, unit, Path("spool"), patience_s=120) as publisher:
        await publisher.publish(json.load(sys.stdin))

asyncio.run(main(*sys.argv[1:]))
assert CloudEvent is loa_client.CloudEvent and Publisher is loa_client.Publisher
assert sample is loa_client.sample and contracts.testing is loa_client.testing
assert all(name == module.__name__ == module.__spec__.name
    for name, module in sys.modules.items() if name.partition(".")[0] == "loa_client")
"""
AS_ON_WINDOWS = """
import asyncio, http.client, importlib, os, ssl, sys, tempfile, urllib.request
import pydantic, rich, structlog, typer
from pathlib import Path

for name in ("fcntl", "grp", "pwd", "readline", "resource", "syslog", "termios"):
    sys.modules[name] = None
for name in ("O_DIRECTORY", "O_NOFOLLOW", "fchmod", "fork", "getuid", "killpg", "register_at_fork"):
    delattr(os, name)
for name in sys.argv[1:]:
    importlib.import_module(name)

from loa_client import HttpPublisher, Invalid, Publisher, check_event, sample
check_event(sample())
HttpPublisher("http://127.0.0.1:1", "key"), Publisher(None, "unit")
try:
    HttpPublisher("http://127.0.0.1:1", "key", Path("kept"))
except Invalid as refused:
    print(refused)
"""
OWN_TESTS = """
import json
import pytest
from channels import OWNER
from pathlib import Path
from loa_client import ContractBroken, check_event, keys, sample

@pytest.mark.parametrize("kind", ["submitted", "corrected", "withdrawn"])
def test_what_we_export_is_an_event(kind, loa_check_event):
    assert loa_check_event(sample(kind)).content_id

def test_what_is_wrong_is_named():
    with pytest.raises(ContractBroken, match="data.title: "):
        check_event(sample(title=""))

def test_our_own_rooms_are_ours():
    assert OWNER == "the project"

def test_the_keys_hold_the_golden_vectors():
    vectors = json.loads(Path("vectors.json").read_text())
    for one in vectors["digest"]:
        assert keys.digest(*one["parts"]) == one["digest"]
    for one in vectors["event_id"]:
        assert keys.event_id(one["unit"], one["source"], one["id"]) == one["event_id"]
    for one in vectors["content_hash"]:
        assert keys.content_hash(one["type"], one["data"]) == one["content_hash"]
    for one in vectors["publication_key"]:
        assert keys.publication_key(one["content_id"], one["revision"]) == one["publication_key"]
    for one in vectors["case_content_id"]:
        assert keys.case_content_id(one["case_code"]) == one["content_id"]
    for one in vectors["delivery"]:
        parts = (one[part] for part in ("content_id", "revision", "channel", "recipient_id"))
        assert keys.delivery_key(*parts) == one["delivery_key"]
"""
TYPED = """
from pathlib import Path
from typing import Any, assert_type

from loa_client import (
    Accepted, Access, CloudEvent, ContractError, Drained, DryRun, Event, EventStatus, FieldError,
    HttpPublisher, Publisher, Spooled, SyncPublisher, check_event, from_structured, keys, sample,
)

async def send(publisher: Publisher, event: CloudEvent) -> None:
    assert_type(await publisher.publish(event), Accepted | Spooled)
    assert_type(await publisher.drain(), Drained)

access = Access(nkey_file=Path("unit.nk"))
publisher = Publisher("nats://bus", "van-phong-bo", Path("spool"), access=access)
with SyncPublisher("nats://bus", "van-phong-bo", access=access) as plain:
    assert_type(plain.publish(sample()), Accepted | Spooled)
    assert_type(plain.drain(), Drained)
over_http = HttpPublisher("https://loa", "key", Path("spool"), ca_file=Path("ca.pem"))
assert_type(over_http.publish(sample()), Accepted | Spooled)
assert_type(over_http.publish_batch([sample()]), list[Accepted | Spooled])
assert_type(over_http.status("id"), EventStatus)
assert_type(over_http.dry_run(sample()), DryRun)
assert_type(check_event(b"{}", unit="van-phong-bo"), Event)
assert_type(from_structured(b"{}"), CloudEvent)
assert_type(sample("corrected", title=""), dict[str, Any])
assert_type(keys.event_id("unit", "source", "id"), str)
assert_type(keys.content_hash("type", {}), str)
assert_type(ContractError().errors, tuple[FieldError, ...])
"""
MISTYPED = """
from loa_client import Publisher, check_event, keys

keys.event_id("unit", "source", 1)
check_event(1)
Publisher("nats://bus", unit=None)
"""
_KNOWN_ANY = re.compile(r"(?:dict|Mapping)\[(?:builtins\.)?str, Any\]|\*\*changes: Any")
"""Where a value may be anything: the data of an event."""


def run(*args, cwd, stdin="", **variables):
    around = os.environ.items()
    env = {name: value for name, value in around if not name.startswith(("PYTHON", "LOA_"))}
    return subprocess.run(
        list(map(str, args)), cwd=cwd, env=env | variables, input=stdin,
        capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    return client_wheel.build("clients/python", tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module", params=["3.11", "3.13"])
def python(wheel, request, tmp_path_factory):
    """The interpreter of an environment that holds the wheel and what it asks for."""
    folder = tmp_path_factory.mktemp("environment")
    first_event.prepare(folder, "Python", wheel)
    text = first_event.steps_of("Python").install.replace("python3", python_of(request.param))
    text += f".venv/bin/pip install {wheel.name}[testing]"
    settings = {"PIP_CONSTRAINT": str(client_wheel.constraints(folder / "constraints.txt"))}
    settings["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    installed = run("bash", "-euc", text, cwd=folder, **settings)
    why = f"the wheel's dependencies can't be installed: {installed.stderr[-500:]}"
    requirements.met(not installed.returncode, why)
    return folder / ".venv" / "bin" / "python"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """Another system, which has packages of its own with the names of Loa's."""
    folder = tmp_path_factory.mktemp("project")
    for room in ROOMS:
        (folder / room).mkdir()
        (folder / room / "__init__.py").write_text('OWNER = "the project"\n')
    (folder / "test_events.py").write_text(OWN_TESTS)
    (folder / "vectors.json").write_bytes(VECTORS.read_bytes())
    return folder


@pytest.fixture(scope="module")
def loa(tmp_path_factory):
    """A Loa with the key of the unit."""
    with LoaProcess(tmp_path_factory.mktemp("loa")) as loa:
        loa.add_unit(UNIT)
        yield loa


def test_everything_in_the_wheel_imports_without_the_platform(python, wheel, project):
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info" not in name]
    assert {name.partition("/")[0] for name in names} == {"loa_client"}
    modules = [
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for name in names
        if name.endswith(".py")
    ]
    script = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    imported = run(python, "-W", "error", "-c", script, *modules, cwd=project)
    assert imported.returncode == 0, imported.stderr
    for name in ("fastapi", "faststream", "aiohttp"):
        assert run(python, "-c", f"import {name}", cwd=project).returncode == 1
    told = run(python, "-W", "error", "-c", AS_ON_WINDOWS, *modules, cwd=project)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("spool: ") and "Windows" in told.stdout


def test_the_log_goes_to_pythons_own_logging_and_never_to_stdout(python, tmp_path):
    told = run(python, "-c", QUIET, cwd=tmp_path)
    assert (told.returncode, told.stdout) == (0, ""), told.stderr
    assert "door_away reason=unavailable error=ConnectionRefusedError\n" in told.stderr
    assert "\nbus_trouble error=ConnectionRefusedError " in told.stderr
    silent = 'import logging; logging.getLogger("loa_client").setLevel("CRITICAL")'
    told = run(python, "-c", silent + QUIET, cwd=tmp_path)
    assert (told.returncode, told.stdout, told.stderr) == (0, "", "")


async def test_a_project_with_rooms_of_its_own_publishes(python, project, bus, nats_server):
    event = json.dumps(sample_event())
    told = run(python, "-c", PUBLISH, nats_server.url, UNIT, cwd=project, stdin=event)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split("\n")[-2].endswith(" ".join(["the project"] * len(ROOMS)))
    [message] = [one async for one in bus.scan(subjects.CONTENT.name)]
    assert message.subject == f"content.{UNIT}.submitted"
    assert json.loads(message.data)["data"] == sample_event()["data"]


def test_over_http_an_event_outlives_an_outage_and_a_refusal_names_the_field(python, project, loa):
    name = f"tin-{python.parents[2].name}"
    event = json.dumps(sample_event(id=name, content_id=name))
    words = (OVER_HTTP, loa.ready().url, loa.key)
    told = run(python, "-W", "error", "-c", *words, cwd=project, stdin=event)
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == "data.title không được để trống"


@pytest.fixture(scope="module")
def key_of_readme(loa):
    """The key of the unit that the page sends for."""
    own, key = loa.key, loa.add_unit("van-phong-bo")
    loa.key = own
    return key


def test_the_program_of_the_readme_publishes_follows_and_names_a_wrong_field(
    python, loa, key_of_readme, tmp_path
):
    programs = re.findall(r"^```python\n(.*?)^```", README.read_text("utf-8"), re.M | re.S)
    program, more = programs
    settings = {"LOA_URL": loa.ready().url, "LOA_API_KEY": key_of_readme}
    told = run(python, "-c", program, cwd=tmp_path, **settings)
    accepted, state = told.stdout.splitlines()
    assert accepted.startswith("Accepted(event_id="), told
    assert state in ("received", "released"), told
    wrong = program.replace('"title": ', '"titel": ', 1)
    told = run(python, "-c", wrong, cwd=tmp_path, **settings)
    fields = {line.partition(" ")[0] for line in told.stdout.splitlines()}
    assert fields == {"data.title", "data.titel"}, told
    told = run(python, "-c", program + more, cwd=tmp_path, **settings)
    sent = told.stdout.splitlines()[2:]
    assert sent == ["accepted lich-tiep-cong-dan", "accepted lich-hop", "0"], told
    away = (program + more).replace('Path("spool"))', 'Path("spool"), time_limit_s=0)')
    told = run(python, "-c", away, cwd=tmp_path, **settings | {"LOA_URL": "http://127.0.0.1:1"})
    kept = told.stdout.splitlines()[1:]
    assert kept == ["kept lich-tiep-cong-dan", "kept lich-hop", "2"], told


def test_the_page_of_events_sends_follows_and_names_a_wrong_field(python, loa, key_of_readme):
    send = first_event.steps_of("Python").send
    told = first_event.typed(python.parents[2], loa.ready().url, key_of_readme, send)
    first_event.require_told(told)


async def test_the_command_of_the_wheel_publishes(python, project, bus, nats_server):
    (project / ".event.json").write_text(json.dumps(sample_event()))
    loa = python.parent / "loa"
    assert run(loa, "validate", ".event.json", cwd=project).returncode == 0
    schemas = run(loa, "schemas", "vectors", cwd=project).stdout
    assert json.loads(schemas) == json.loads(VECTORS.read_text())
    told = run(loa, "publish", ".event.json", cwd=project, LOA_NATS_URL=nats_server.url)
    assert told.returncode == 0, told.stderr
    assert len([one async for one in bus.scan(subjects.CONTENT.name)]) == 1


def test_the_contract_tests_of_the_project_run_with_the_wheel_alone(python, project):
    ran = run(python, "-W", "error", "-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=project)
    assert ran.returncode == 0, ran.stdout
    assert "6 passed" in ran.stdout


async def test_the_former_names_go_on_for_a_version(python, bus, nats_server, tmp_path):
    compat = client_wheel.build("clients/python/compat", tmp_path / "dist")
    zipfile.ZipFile(compat).extractall(tmp_path / "compat")
    event, words = json.dumps(sample_event()), (FORMER, nats_server.url, UNIT)
    beside = str(tmp_path / "compat")
    told = run(python, "-c", *words, cwd=tmp_path, stdin=event, PYTHONPATH=beside)
    assert told.returncode == 0, told.stderr
    assert "DeprecationWarning: producers.publisher is loa_client.publisher now" in told.stderr
    assert re.findall(r"<string>:(\d+): Dep", told.stderr) == ["5", "6", "6", "7"]
    assert len([one async for one in bus.scan(subjects.CONTENT.name)]) == 1


def checked(python, program, cwd):
    (cwd / "program.py").write_text(program)
    words = ("--strict", "--python-executable", python, "--cache-dir", cwd.parent / "mypy")
    return run(sys.executable, "-m", "mypy", *words, "program.py", cwd=cwd)


def test_a_program_with_the_wheel_is_typed(python, tmp_path):
    right = checked(python, TYPED, tmp_path)
    assert right.returncode == 0, right.stdout
    wrong = checked(python, MISTYPED, tmp_path)
    assert re.findall(r"program.py:(\d+): error: ", wrong.stdout) == ["4", "5", "6"], wrong.stdout


def test_no_public_name_is_of_no_type(python, tmp_path):
    script = "import loa_client; print(*loa_client.__all__)"
    names = run(python, "-c", script, cwd=tmp_path).stdout.split()
    reveal = "".join(f"reveal_type(loa_client.{name})\n" for name in names)
    told = checked(python, f"import loa_client\n{reveal}", tmp_path).stdout
    assert told.count("Revealed type") == len(names), told
    assert [line for line in told.splitlines() if "Any" in _KNOWN_ANY.sub("", line)] == []
