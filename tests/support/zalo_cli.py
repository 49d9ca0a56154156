"""Settings with which `loa zalo ...` uses a test's own bus and sandbox."""

from sandbox.zalo.server import Sandbox


def environment(sandbox: Sandbox) -> dict[str, str]:
    """The settings, as environment variables."""
    account = sandbox.settings
    hosts = (f"LOA_ZALO_{name}_URL" for name in ("OAUTH", "OPENAPI", "BUSINESS"))
    return dict.fromkeys(hosts, sandbox.url) | {
        "LOA_ZALO_APP_ID": account.app_id,
        "LOA_ZALO_APP_SECRET": account.app_secret.get_secret_value(),
    }
