"""The product's waits, shortened so that a thousand deaths fit into half an hour.

Only how long is changed, never what happens. A wait that protects against something late stays
longer than that something can take here: receivers on this machine answer within milliseconds.
"""

from functools import partial
from typing import Any

from channels.email.channel import EmailChannel
from channels.zalo import articles, broadcasts, channel, connect, outcomes, tokens
from channels.zalo.pace import Pace
from consumers import feedback, fence, retry, settle
from consumers.app import running, services
from consumers.ledger import moves
from producers.bus import topology

ACK_WAIT_NS = 3_000_000_000
LADDER_S = (0.0, 2.5, 3.0, 3.0, 3.0, 3.0, 3.0, 3.0)


def hurry() -> None:
    """Shorten every wait of this process."""
    hurry_zalo()
    retry.LADDER_S = LADDER_S
    moves.ASK_AGAIN_S = 0.5
    settle.KEEP_ALIVE_S = 1.0
    settle.BUS_PAUSE_S = 0.3
    fence.ASK_AGAIN_S = 0.3
    feedback.TOO_EARLY_S = 0.5
    services.RESUME_S = 3.0
    running.LOOK_S = 0.2
    EmailChannel.settle_s = 1.5
    consumer_config = topology.consumer_config

    def impatient(consumer: Any) -> dict[str, Any]:
        return consumer_config(consumer) | {"ack_wait": ACK_WAIT_NS}

    topology.consumer_config = impatient


def hurry_zalo() -> None:
    connect.Pace = partial(Pace, settle_s=2.0, polls_s=(0.05, 0.1, 0.2))
    articles.PROCESSING_S = outcomes.PROCESSING_S = 0.5
    articles.LOOK_S = 0.5
    broadcasts.ARTICLE_S = 0.5
    channel.ASK_AGAIN_S = 0.5
    tokens.PATIENCE_S = 3.0
    tokens.BUSY_S = 0.5
