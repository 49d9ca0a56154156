"""The quick set: every point once, dealt to two test files that run side by side."""

from math import ceil

from tests.deep.crash.schedule import POINTS, CampaignRun, plan_runs

FILES, FOLDERS = 2, 4


def runs(file: int) -> list[CampaignRun]:
    """The folders of one of the files; both together reach every point."""
    births = FOLDERS
    dealt = plan_runs(len(POINTS) + births, "quick", size=ceil(len(POINTS) / FOLDERS))
    return dealt[file::FILES]
