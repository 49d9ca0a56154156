"""Settings of the Zalo channel: the hosts, and secrets that no text shows."""

from channels.zalo.settings import ZaloSettings


def test_the_real_hosts_are_the_default(monkeypatch):
    settings = ZaloSettings(_env_file=None)
    assert settings.openapi_url == "https://openapi.zalo.me"
    assert settings.business_url == "https://business.openapi.zalo.me"
    assert settings.oauth_url == "https://oauth.zaloapp.com"
    assert not settings.is_configured
    monkeypatch.setenv("LOA_ZALO_APP_ID", "1")
    monkeypatch.setenv("LOA_ZALO_APP_SECRET", "very-secret")
    configured = ZaloSettings(_env_file=None)
    assert configured.is_configured
    assert "very-secret" not in repr(configured)
