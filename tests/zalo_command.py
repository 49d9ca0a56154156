"""What `loa zalo ...` needs to be told to work on a test's own bus and sandbox."""

from pathlib import Path

from channels.zalo.sandbox.server import Sandbox


def environment(nats_url: str, sandbox: Sandbox, folder: Path) -> dict[str, str]:
    """The settings, as environment variables."""
    account = sandbox.settings
    hosts = (f"LOA_ZALO_{name}_URL" for name in ("OAUTH", "OPENAPI", "BUSINESS"))
    return dict.fromkeys(hosts, sandbox.url) | {
        "LOA_NATS_URL": nats_url,
        "LOA_DATA_DIR": str(folder),
        "LOA_ZALO_APP_ID": account.app_id,
        "LOA_ZALO_APP_SECRET": account.app_secret.get_secret_value(),
    }
