"""The examples do what the documents say of them."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from contracts import subjects
from contracts.testing import check_event

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"
EVENTS = sorted(EXAMPLES.glob("*.json"))
UNIT = "van-phong-bo"


@pytest.mark.parametrize("file", EVENTS, ids=lambda file: file.stem)
def test_every_example_is_an_event_that_a_door_takes(file):
    event = json.loads(file.read_text("utf-8"))
    assert check_event(event, unit=event["source"].removeprefix("/units/"))


@pytest.mark.parametrize("readme", ["README.md", "README.vi.md"])
def test_the_readme_shows_the_first_example(readme):
    blocks = re.findall(r"^```json\n(.*?)^```", (ROOT / readme).read_text("utf-8"), re.M | re.S)
    assert json.loads(blocks[0]) == json.loads((EXAMPLES / "first-event.json").read_text("utf-8"))


async def test_the_python_example_publishes_and_names_what_is_wrong(bus, nats_server, tmp_path):
    def run(file: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, EXAMPLES / "publish.py", nats_server.url, UNIT, file]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    assert run(EXAMPLES / "first-event.json").returncode == 0
    [message] = [one async for one in bus.scan(subjects.CONTENT.name)]
    assert message.subject == f"content.{UNIT}.submitted"
    broken = json.loads((EXAMPLES / "first-event.json").read_text("utf-8"))
    del broken["data"]["title"]
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    refused = run(tmp_path / "broken.json")
    assert refused.returncode == 2
    assert "data.title: là trường bắt buộc" in refused.stderr


@pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")
def test_the_javascript_example_holds_the_golden_vectors():
    script, vectors = EXAMPLES / "keys.mjs", ROOT / "contracts" / "schemas" / "vectors.json"
    done = subprocess.run(
        ["node", script, vectors], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stdout) == (0, "every vector holds\n"), done.stderr
