"""Names of all services, without their imports: commands that run none start at once."""

from consumers.app.channel_registry import CHANNELS

PORTAL_REPLICA = "portal-replica"
"""The service of further machines, which `loa up` leaves out."""
SERVICE_NAMES = (
    *("gateway", "portal", "pages", "opinions", "desk", "intake", "dispatch"),
    *(f"deliver-{name}" for name in CHANNELS),
    PORTAL_REPLICA,
    *("sweep", "feedback", "zalo-webhook", "canary", "digests", "import", "bounces", "callbacks"),
    *("mailbox", "zalo-sandbox"),
)
"""The services of `loa run`; `consumers.app.services` says what each does."""
KEYLESS_SERVICES = frozenset(
    ("gateway", "portal", PORTAL_REPLICA, "opinions", "zalo-webhook", "canary", "import")
)
"""Services that run without the key file: they write no record that needs a seal."""
