"""A system in JavaScript, with the npm package `nats` and nothing of ours, is understood."""

import asyncio
import base64
import json
import os
import shutil
import subprocess
from functools import partial
from pathlib import Path

import pytest

from contracts import subjects
from contracts.envelope import decode
from contracts.errors import Invalid
from contracts.vocabulary import DEFAULT
from producers.access import without_password
from producers.admission import admit
from producers.bus import Bus, topology
from producers.nats_server import NatsServer
from tests.support import requirements
from tests.support.gateway_client import UNIT, sample_event
from tests.support.loa_process import LoaProcess, wait_until
from tests.support.unit_keys import create_unit_key

SCRIPT = Path(__file__).with_name("publish.mjs")
MODES = ("structured", "binary")


@pytest.fixture(scope="session")
def node_folder(tmp_path_factory):
    """A folder with the script and the npm package, as a system of another house has them."""
    requirements.met(bool(shutil.which("node") and shutil.which("npm")), "needs node and npm")
    folder = tmp_path_factory.mktemp("node")
    (folder / "package.json").write_text('{"private": true}')
    npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", "nats@2.29.3"]
    done = subprocess.run(npm, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    requirements.met(not done.returncode, f"npm can't install nats: {done.stderr[-500:]}")
    shutil.copy(SCRIPT, folder)
    return folder


@pytest.fixture
def publish(node_folder, nats_server):
    """Publishes an event with Node.js; the answer is the stream's acknowledgement."""

    def run(event, mode, url=nats_server.url):
        done = subprocess.run(
            ["node", "publish.mjs", url, subjects.content(UNIT, "submitted"), mode],
            cwd=node_folder, input=json.dumps(event, ensure_ascii=False),
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    return run


async def the_message(bus):
    [message] = [one async for one in bus.scan(subjects.CONTENT.name)]
    return message


@pytest.mark.parametrize("mode", MODES)
async def test_an_event_is_stored_and_read_as_it_was_meant(bus, publish, mode):
    event = sample_event() | {"correlationid": 'mã số "7" 100%', "sequence": 7}
    assert publish(event, mode) == {"stream": "CONTENT", "seq": 1, "duplicate": False}
    message = await the_message(bus)
    assert message.subject == f"content.{UNIT}.submitted"
    read = decode(None, message.headers, message.data)
    assert read.data == event["data"]
    assert read.extensions["correlationid"] == event["correlationid"]
    assert admit(read, UNIT, DEFAULT).content_id == event["data"]["content_id"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_repeat_is_stored_once(bus, publish, mode):
    publish(sample_event(), mode)
    assert publish(sample_event(), mode)["duplicate"] is True
    assert (await the_message(bus)).seq == 1


@pytest.mark.parametrize("mode", MODES)
async def test_a_broken_event_is_stored_too_and_names_its_field_when_read(bus, publish, mode):
    event = sample_event()
    del event["data"]["title"]
    publish(event, mode)
    message = await the_message(bus)
    with pytest.raises(Invalid) as refused:
        admit(decode(None, message.headers, message.data), UNIT, DEFAULT)
    assert [error.field for error in refused.value.errors] == ["data.title"]


def test_what_node_publishes_is_delivered_and_what_is_broken_is_a_dead_letter(publish, tmp_path):
    with LoaProcess(tmp_path) as loa:
        loa.add_unit()
        loa.readers(2)
        url = loa.ready().nats_url
        for mode in MODES:
            publish(sample_event(id=f"n-{mode}", content_id=f"node-{mode}"), mode, url=url)
            told = loa.trace_when_complete(f"node-{mode}")
            assert told["channels"]["email"]["delivered"] == 2, mode
        broken = sample_event(id="n-broken", content_id="node-broken")
        del broken["data"]["title"]
        for mode in MODES:
            publish(broken | {"id": f"n-broken-{mode}"}, mode, url=url)
        letters = wait_until(lambda: len(got := loa.dead_letters()) == 2 and got, "two letters")
        for letter in letters:
            assert letter["errors"][0]["field"] == "data.title"
            assert letter["errors"][0]["message_vi"]
            assert b"node-broken" in base64.b64decode(letter["body"])
        story = loa.trace("node-broken")
        assert (story["state"], story["revision"], story["channels"]) == ("refused", 0, {})


async def test_the_example_publishes_with_a_units_key(node_folder, tmp_path):
    examples, unit = Path(__file__).parents[3] / "examples", "van-phong-bo"
    for name in ("publish.mjs", "first-event.json"):
        shutil.copy(examples / name, tmp_path)
    (tmp_path / "node_modules").symlink_to(node_folder / "node_modules")
    key = create_unit_key(tmp_path, unit)
    async with NatsServer(tmp_path / "nats") as server, await Bus.connect(server.url) as bus:
        await topology.apply(bus, [unit])
        await server.admit_units([key.account])
        environ = {"LOA_NATS_URL": without_password(server.url), "LOA_NATS_NKEY_FILE": key.file}
        said = [await run_node(tmp_path, environ, unit, "first-event.json", mode) for mode in MODES]
        assert said == [f"IN_{unit} #1\n", f"IN_{unit} #1, stored before\n"]


async def run_node(folder, environ, *words):
    """Output of the example."""
    command = ["node", "publish.mjs", *words]
    done = await asyncio.to_thread(
        partial(subprocess.run, env=os.environ | environ, timeout=60, check=False),
        command,
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
