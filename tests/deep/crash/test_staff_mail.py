"""kill -9 on the way of a mail to staff: what waits at the desk is told once."""

from collections import Counter
from collections.abc import Iterator

from tests.deep.crash.campaign import Campaign
from tests.deep.crash.environment import wait
from tests.deep.crash.receiver import read_record
from tests.deep.crash.setup import DESK_UNIT, EDITOR

POINTS = ["staff_mail.noted", "staff_mail.begun", "editorial.decided", "staff_mail.begun"]
PATIENCE_S = 60.0


class StaffMailCampaign(Campaign):
    """Judges besides what the editor was told."""

    def verdict(self) -> Iterator[str]:
        self.quiet_start()
        wait(lambda: not self.untold(), "the mail about what waits", PATIENCE_S)
        yield from super().verdict()
        yield from (f"told {n} times: {one}" for one, n in self.told().items() if n > 1)

    def told(self) -> Counter[str]:
        """How often each text was told, by its title.

        A letter counts once: its copies are laid beside what the ledger declares in `super()`.
        """
        mails = [one for one in read_record(self.environment.record) if one.is_accepted]
        letters = {one.key: one.subject for one in mails if one.address == EDITOR}
        return Counter(subject.partition(": ")[2] for subject in letters.values())

    def untold(self) -> set[str]:
        """The titles of what waits, and was not told: of each item the newest text."""
        events = [sent.event for sent in self.work.sent if sent.unit == DESK_UNIT]
        newest = {event["data"]["content_id"]: event["data"]["title"] for event in events}
        assert newest
        return {*newest.values()} - {*self.told()}


def test_what_waits_at_the_desk_is_told_once_whenever_it_dies(tmp_path):
    report = StaffMailCampaign(tmp_path, "staff mail", POINTS).run()
    assert report.faults == [], report.deaths
    assert report.judged
