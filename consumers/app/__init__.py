"""The composition root: reads settings, builds the parts once, and runs them as services.

The names stand here and not beside the services, so that commands which run none start at once.
"""

SERVICES = (
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
