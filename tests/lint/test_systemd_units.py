"""The units for a start without containers: systemd takes them, and their commands are Loa's."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import pytest

from consumers.app.settings import RunningInstance
from consumers.cli.output import EXIT_INVALID, EXIT_MACHINE
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


def settings(name):
    """The settings of a unit; of one that is set again, the last."""
    lines = (FOLDER / name).read_text().splitlines()
    return dict(line.split("=", 1) for line in lines if "=" in line and not line.startswith("#"))


def test_loa_is_started_anew_but_for_wrong_settings_and_stops_its_own_server():
    unit = settings("loa.service")
    assert unit["Restart"] == "on-failure"
    assert unit["RestartPreventExitStatus"] == f"{EXIT_INVALID}" != f"{EXIT_MACHINE}"
    assert unit["KillMode"] == "mixed", "nats-server gets no signal of systemd's"
    assert unit["ExecReload"].endswith("kill -HUP $MAINPID")


def test_others_reach_the_portals_files():
    unit = settings("loa.service")
    assert int(unit["StateDirectoryMode"], 8) & 0o001 and not int(unit["UMask"], 8) & 0o055


@pytest.mark.parametrize("name", ["loa-backup.service", "loa-check.service"])
def test_nightly_commands_run_beside_a_loa_that_is_ready(name):
    unit = settings(name)
    assert unit["After"] == "loa.service"
    assert unit["ExecCondition"].endswith("systemctl is-active --quiet loa.service")


def test_loa_is_active_once_its_own_ready_file_is_there(tmp_path):
    ready = tmp_path / "run" / "ready.json"
    ready.parent.mkdir()
    told = {"MAINPID": f"{os.getpid()}", "LOA_DATA_DIR": f"{tmp_path}", "PATH": os.environ["PATH"]}
    announce(ready, os.getpid() * 10)
    with subprocess.Popen(shlex.split(settings("loa.service")["ExecStartPost"]), env=told) as wait:
        with pytest.raises(subprocess.TimeoutExpired):
            wait.wait(0.7)
        announce(ready, os.getpid())
        assert wait.wait(20) == 0


def announce(file, pid):
    told = RunningInstance(url="http://127.0.0.1:1", nats_url="nats://127.0.0.1:2", pid=pid)
    file.write_text(json.dumps(told.model_dump()))


def test_units_run_commands_that_exist_and_each_timer_has_its_service():
    texts = {name: (FOLDER / name).read_text() for name in UNITS}
    named = {word for text in texts.values() for word in re.findall(rf"{LOA} (\S+)", text)}
    assert named == {"up", "run", "backup", "check"} <= {*Commands.command_paths}
    timers = [name for name in UNITS if name.endswith(".timer")]
    assert timers == ["loa-backup.timer", "loa-check.timer"]
    assert {name.replace(".timer", ".service") for name in timers} <= texts.keys()
    assert all(name in RUNBOOK for name in ("loa.service", *timers))
