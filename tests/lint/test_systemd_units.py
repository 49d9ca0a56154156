"""The units for a start without containers: systemd takes them, and their commands are Loa's."""

import re
import shutil
import subprocess
import sys

import pytest

from consumers.cli.root import Commands
from tests.lint.sources import ROOT

FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(path.name for path in FOLDER.iterdir())
LOA = "/opt/loa/.venv/bin/loa"
RUNBOOK = (ROOT / "docs" / "operations.md").read_text()


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="no systemd here")
def test_systemd_takes_every_unit(tmp_path):
    for name in UNITS:
        text = (FOLDER / name).read_text().replace(LOA, sys.executable)
        (tmp_path / name).write_text(text)
    verify = ["systemd-analyze", "verify", "--man=no", *(str(tmp_path / name) for name in UNITS)]
    told = subprocess.run(verify, capture_output=True, text=True, check=False)
    assert (told.returncode, told.stderr) == (0, "")


def test_units_run_commands_that_exist_and_each_timer_has_its_service():
    texts = {name: (FOLDER / name).read_text() for name in UNITS}
    named = {word for text in texts.values() for word in re.findall(rf"{LOA} (\S+)", text)}
    assert named == {"up", "backup", "check"} <= {*Commands.command_paths}
    timers = [name for name in UNITS if name.endswith(".timer")]
    assert timers == ["loa-backup.timer", "loa-check.timer"]
    assert {name.replace(".timer", ".service") for name in timers} <= texts.keys()
    assert all(name in RUNBOOK for name in ("loa.service", *timers))
