"""Secret files read again: what the log tells, and a mount that hangs."""

import asyncio
import os

import pytest
from structlog.testing import capture_logs

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app import secret_reload
from consumers.app.secret_reload import SecretReload
from consumers.app.settings import LoaSettings, TracingSettings, read_settings
from consumers.staff.oidc.settings import OidcSettings

LIVE, READ_ONCE = (EmailSettings, ZaloSettings), (LoaSettings, OidcSettings, TracingSettings)
VARIABLES = (
    "LOA_EMAIL_PASSWORD_FILE",
    "LOA_ZALO_APP_SECRET_FILE",
    "LOA_ZALO_CODE_VERIFIER_FILE",
    "LOA_NATS_PASSWORD_FILE",
    "LOA_OIDC_CLIENT_SECRET_FILE",
    "OTEL_EXPORTER_OTLP_HEADERS_FILE",
)


@pytest.fixture
def files(tmp_path, monkeypatch):
    """A secret file for each of the variables."""
    monkeypatch.chdir(tmp_path)
    paths = {name: tmp_path / name for name in VARIABLES}
    for name, path in paths.items():
        path.write_text("a=cũ" if name.startswith("LOA") else "a=b")
        monkeypatch.setenv(name, str(path))
    return paths


def reloading() -> SecretReload:
    return SecretReload(
        *({one: read_settings(one) for one in kinds} for kinds in (LIVE, READ_ONCE))
    )


async def told(reload: SecretReload) -> dict[str, list[str]]:
    with capture_logs() as logged:
        await reload.reload()
    [said] = [one for one in logged if one["event"] == "secrets_reloaded"]
    return {name: said[name] for name in ("changed", "kept", "needs_restart")}


async def test_each_changed_secret_is_told_by_what_becomes_of_it(files):
    reload, used = reloading(), list[EmailSettings]()
    reload.add_user(EmailSettings, used.append, "password", "fallback_password")
    nothing = {"changed": [], "kept": [], "needs_restart": []}
    assert await told(reload) == nothing
    for path in files.values():
        path.write_text("a=c")
    changed = {"changed": [VARIABLES[0]], "kept": [], "needs_restart": [*VARIABLES[3:]]}
    assert await told(reload) == changed, "Zalo has no user in this process"
    assert [one.password.get_secret_value() for one in used] == ["a=c"]
    assert await told(reload) == changed | {"changed": []}, "a restart is still needed"


async def test_a_mount_that_hangs_holds_up_neither_the_loop_nor_the_other_secrets(
    files, monkeypatch
):
    reload, used = reloading(), list[EmailSettings]()
    reload.add_user(EmailSettings, used.append, "password")
    hanging = files["LOA_NATS_PASSWORD_FILE"]
    hanging.unlink()
    os.mkfifo(hanging)
    files["LOA_EMAIL_PASSWORD_FILE"].write_text("mới")
    monkeypatch.setattr(secret_reload, "_READ_TIMEOUT_S", 2.0)  # all others are read meanwhile
    running = asyncio.create_task(told(reload))
    while not running.done():
        await asyncio.sleep(0.01)
    said = running.result()
    assert (said["changed"], said["kept"]) == ([VARIABLES[0]], ["LOA_NATS_PASSWORD_FILE"])
    os.close(os.open(hanging, os.O_WRONLY))
