"""Waiting for what has to come while nobody is killed."""

import time
from collections.abc import Callable
from typing import Any

from tests.deep.crash.environment import CampaignFailed


def wait(ask: Callable[[], Any], what: str, patience_s: float = 20.0) -> Any:
    end = time.monotonic() + patience_s
    while time.monotonic() < end:
        if answer := ask():
            return answer
        time.sleep(0.05)
    raise CampaignFailed(f"waited {patience_s} s in vain for {what}")
