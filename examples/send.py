"""Sends the event in a file over HTTP; needs `loa-client` and nothing else.

    LOA_URL=https://... LOA_API_KEY=loa_van-phong-bo_... python send.py first-event.json

Exit code 2: refused, with each wrong field; 3: kept in the folder `spool`, as Loa is away.
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
except ContractError as refused:
    for error in refused.errors:
        print(f"{error.field}: {error.message} / {error.message_vi}", file=sys.stderr)
    sys.exit(2)
if not isinstance(answer, Accepted):  # while Loa is away, in order; the next run sends it first
    print("kept", answer.path)
    sys.exit(3)
print("accepted", answer.event_id)
while (state := publisher.status(answer.event_id).state) == "received":
    time.sleep(1)
print("state", state)
