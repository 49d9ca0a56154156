"""Names of all services.

They are apart from the services, so that commands that run none start at once."""

SERVICE_NAMES = (
    "gateway",
    "portal",
    "pages",
    "opinions",
    "intake",
    "dispatch",
    "deliver-email",
    "deliver-zalo",
    "deliver-portal",
    "sweep",
    "feedback",
    "zalo-webhook",
    "canary",
    "digests",
    "import",
    "bounces",
    "mailbox",
    "zalo-sandbox",
)
"""What `loa run` knows; `consumers.app.services` says what each does."""
