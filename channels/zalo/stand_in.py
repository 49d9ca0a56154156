"""Identity of the local Zalo sandbox, and settings that point to it."""

from pydantic import SecretStr

from channels.zalo.settings import ZaloSettings

APP_ID, APP_SECRET = "sandbox-app", "sandbox-app-secret"
OA_ID = "4318420240101000001"


def app_of(zalo: ZaloSettings) -> str:
    """The id of the app that Loa uses: the sandbox's where none is configured."""
    return zalo.app_id or APP_ID


def is_stand_in(zalo: ZaloSettings) -> bool:
    """Whether the sandbox is the Zalo of these settings."""
    return app_of(zalo) == APP_ID


def stand_in_settings(url: str, zalo: ZaloSettings, oa_secret: str = "") -> ZaloSettings:
    """*zalo* with the hosts and the identity of the sandbox at *url*.

    *oa_secret* is random, one per sandbox; only who takes its webhook events needs it.
    """
    hosts = dict.fromkeys(("openapi_url", "business_url", "oauth_url"), url)
    secrets = {"app_secret": APP_SECRET, "oa_secret": oa_secret}
    changes = {"app_id": APP_ID, **hosts} | {k: SecretStr(v) for k, v in secrets.items()}
    return zalo.model_copy(update=changes)
