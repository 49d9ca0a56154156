"""A new channel is one folder and one registry entry."""

import sys
from pathlib import Path

from contracts.testing import sample
from tests.support.loa_process import UNIT, LoaProcess


def test_a_made_up_channel_delivers_what_is_published_on_it(tmp_path):
    paper = tmp_path / "paper"
    event = sample("submitted", channels=["fax"]) | {"source": f"/units/{UNIT}"}
    title = event["data"]["title"]
    loa = LoaProcess(tmp_path, FAX_PAPER=paper)
    loa.environ["PYTHONPATH"] = str(Path(__file__).parents[3])
    loa.command = [sys.executable, "-m", "tests.support.loa_with_fax"]
    with loa:
        own, loa.command = loa.command, LoaProcess.command  # these two know no channel
        loa.add_unit()
        loa.readers(2)
        loa.command = own
        accepted = loa.post(event)
        assert accepted.status == 202, accepted.body
        counts = loa.trace_of_event(accepted.body["event_id"])["channels"]["fax"]
        assert (counts["delivered"], counts["expected"]) == (2, 2)
        lines = sorted(paper.read_text().splitlines())
        assert lines == [f"nguoi{number}@example.com: {title}" for number in range(2)]
        assert "fax: goes to the fax in the corridor" in loa.cli("status").out
        assert loa.cli("check", "--deep").exit_code == 0
