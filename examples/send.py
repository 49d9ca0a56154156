"""Sends the event in a file over HTTP; needs `loa-client` and nothing else.

    LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... python send.py first-event.json

Exit code 2: refused, with each wrong field; 3: no answer for now, or the key is refused. The event
is then kept in the folder `spool`.
"""

import json
import os
import sys
import time
from pathlib import Path

from loa_client import Accepted, ContractError, HttpPublisher

publisher = HttpPublisher(os.environ["LOA_URL"], os.environ["LOA_API_KEY"], Path("spool"))
try:
    answer = publisher.publish(json.loads(Path(sys.argv[1]).read_bytes()))
    if not isinstance(answer, Accepted):  # kept in order; the next run sends it first
        print("kept", answer.path)
        if publisher.refusal:  # of the key, or of the address
            raise publisher.refusal
        sys.exit(3)
    print("accepted", answer.event_id)
    for _ in range(60):
        state = publisher.status(answer.event_id).state
        if state != "received":
            break
        time.sleep(1)
    print("state", state)
    sys.exit(2 if state == "refused" else 0)
except ContractError as error:
    for one in error.errors:
        print(f"{one.field}: {one.message} / {one.message_vi}", file=sys.stderr)
    is_for_later = error.code in {"unavailable", "rate_limited", "unauthorized"}
    sys.exit(3 if is_for_later else 2)
