"""The stack says what the code says: services, documented variables, secrets, ports."""

import http.server
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import AliasChoices, SecretStr
from pydantic_settings import BaseSettings

from tests.support.compose_files import (
    COMPOSE,
    DEV,
    DOCKERFILE,
    LOA,
    NATS_CONF,
    ROOT,
    SERVICES,
    instruction,
)

DOCUMENTED = (ROOT / "docs" / "configuration.md").read_text()
TABLE = re.findall(r"^\| `(LOA_\w+)` \|[^|]*\| (\*secret\*)?", DOCUMENTED, re.M)
DEFAULTS = re.findall(r"^\| `(LOA_\w+)` \| (`[^`]*`|empty) \|", DOCUMENTED, re.M)
VARIABLES = {name for name, _ in TABLE}
SECRETS = {name for name, secret in TABLE if secret}
PROBE = LOA["gateway"]["healthcheck"]["test"]


def every_loa_variable() -> set[str]:
    stack = (ROOT / "compose.yaml").read_text() + DOCKERFILE + "\n".join(DEV)
    return set(re.findall(r"\bLOA_[A-Z_]+", stack))


def settings_classes() -> Iterator[type[BaseSettings]]:
    for room in ("contracts", "channels", "producers", "consumers"):
        for path in sorted((ROOT / room).rglob("*.py")):
            if "BaseSettings" in path.read_text():
                dotted = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                yield from own_settings(importlib.import_module(dotted.removesuffix(".__init__")))


def own_settings(module: Any) -> Iterator[type[BaseSettings]]:
    for found in vars(module).values():
        is_settings = isinstance(found, type) and issubclass(found, BaseSettings)
        if is_settings and found.__module__ == module.__name__:
            yield found


def variables_of(settings: type[BaseSettings]) -> dict[str, Any]:
    """Each variable of a settings class with its default."""
    prefix = settings.model_config.get("env_prefix", "")
    found = {}
    for name, field in settings.model_fields.items():
        alias = field.validation_alias
        named = alias.choices[0] if isinstance(alias, AliasChoices) else alias or f"{prefix}{name}"
        found[str(named).upper()] = field.default
    return found


def all_variables() -> dict[str, Any]:
    return {k: v for settings in settings_classes() for k, v in variables_of(settings).items()}


def test_the_documented_variables_are_exactly_those_that_the_code_reads():
    assert set(all_variables()) == VARIABLES


def test_the_documented_defaults_are_those_of_the_code():
    read = all_variables()
    shown = {name: "" if default == "empty" else default.strip("`") for name, default in DEFAULTS}
    assert {name: plain(read[name]) for name in shown} == shown


def plain(default: Any) -> str:
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    return "" if value is None else str(value)


def test_every_variable_of_the_stack_is_documented():
    assert every_loa_variable() - {f"{name}_FILE" for name in SECRETS} <= VARIABLES


def test_every_loa_container_runs_one_known_service_and_every_service_has_a_container():
    from consumers.app.service_names import SERVICE_NAMES as KNOWN

    commands = [service["command"] for service in LOA.values()]
    assert all(verb == "run" and len(rest) == 1 for verb, *rest in commands)
    assert sorted(name for _, name in commands) == sorted(KNOWN)
    assert [name for _, name in commands] == list(LOA)


def test_the_stand_ins_are_there_for_trying_out_only():
    assert {name for name, s in SERVICES.items() if s.get("profiles") == ["dev"]} == {
        "mailbox",
        "zalo-sandbox",
        "mailpit",
    }
    assert all(s.get("profiles") in (None, ["dev"]) for s in SERVICES.values())


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_do_no_more_than_it_must(name):
    service = SERVICES[name]
    user, _, group = service["user"].partition(":")
    assert int(user) > 0 and int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"] and "cap_add" not in service
    assert "no-new-privileges:true" in service["security_opt"]
    assert any(mount.startswith("/tmp") for mount in service["tmpfs"])
    assert not {"privileged", "network_mode", "pid", "ipc", "devices"} & set(service)
    assert service["healthcheck"]["test"][0] == "CMD"
    assert ":" in service["image"] and not service["image"].endswith(":latest")


@pytest.mark.parametrize("name", LOA)
def test_no_secret_stands_in_a_containers_environment(name):
    service = LOA[name]
    assert not SECRETS & set(service["environment"])
    for variable, value in service["environment"].items():
        if variable.removesuffix("_FILE") in SECRETS:
            granted = Path(value).name
            assert granted in service["secrets"] and granted in COMPOSE["secrets"]


def test_secrets_and_folders_that_the_stack_mounts_are_made_by_prepare(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("giving folders to the containers' user needs root")
    subprocess.run([ROOT / "deploy" / "prepare", tmp_path], check=True, capture_output=True)
    for mounted in re.findall(
        r"\$\{STATE_DIR:-/srv/loa\}/([^\s}]+)", (ROOT / "compose.yaml").read_text()
    ):
        status = (tmp_path / mounted).stat()
        assert status.st_uid == int(LOA["gateway"]["user"].split(":")[0])
        assert status.st_mode & 0o077 == 0


def test_prepare_leaves_a_secret_that_exists_as_it_is(tmp_path):
    if os.geteuid() != 0:
        pytest.skip("giving folders to the containers' user needs root")
    secret = tmp_path / "secrets" / "email_password"
    secret.parent.mkdir()
    secret.write_text("chua-doi")
    subprocess.run([ROOT / "deploy" / "prepare", tmp_path], check=True, capture_output=True)
    assert secret.read_text() == "chua-doi"


@pytest.mark.parametrize("name", LOA)
def test_a_loa_container_waits_for_a_healthy_bus(name):
    assert LOA[name]["depends_on"] == {"nats": {"condition": "service_healthy"}}
    assert "bus" in LOA[name]["networks"]


def test_the_bus_cannot_be_reached_from_outside():
    assert SERVICES["nats"]["networks"] == ["bus"]
    assert COMPOSE["networks"]["bus"] == {"internal": True}
    assert "ports" not in SERVICES["nats"]


@pytest.mark.parametrize("name", LOA)
def test_ports_and_healthchecks_name_the_port_that_loa_listens_on(name):
    service, port = LOA[name], LOA[name]["environment"]["LOA_HTTP_PORT"]
    assert instruction("EXPOSE") == port
    assert f"http://127.0.0.1:{port}/readyz" in service["healthcheck"]["test"][-1]
    known = {port, service["environment"].get("LOA_BOUNCES_PORT", port)}
    assert {published.split(":")[-1] for published in service.get("ports", [])} <= known


def test_only_the_faces_are_published_each_on_a_port_of_its_own_and_on_this_machine():
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    faces = {"gateway", "portal", "pages", "opinions", "zalo-webhook", "bounces", "mailpit"}
    assert set(published) == faces
    addresses = [entry.rsplit(":", 1)[0] for ports in published.values() for entry in ports]
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    assert len(set(addresses)) == len(addresses)


def test_the_bus_listens_where_the_stack_looks_for_it():
    port = re.search(r"^listen: 0\.0\.0\.0:(\d+)$", NATS_CONF, re.M)[1]
    monitor = re.search(r"^http: 0\.0\.0\.0:(\d+)$", NATS_CONF, re.M)[1]
    assert COMPOSE["x-environment"]["LOA_NATS_URL"] == f"nats://nats:{port}"
    assert f":{monitor}/healthz" in SERVICES["nats"]["healthcheck"]["test"][-1]
    mounts = {mount["target"]: mount["source"] for mount in SERVICES["nats"]["volumes"]}
    assert mounts[SERVICES["nats"]["command"][-1]] == "./deploy/nats.conf"
    assert re.search(r"store_dir: (\S+)", NATS_CONF)[1] in mounts


def test_trying_out_points_loa_at_containers_of_the_dev_profile():
    from consumers.app.wiring.stand_ins import SANDBOX_PORT_OFFSET

    port = int(LOA["zalo-sandbox"]["environment"]["LOA_HTTP_PORT"]) + SANDBOX_PORT_OFFSET
    hosts = {value for key, value in DEV.items() if key.startswith("LOA_ZALO") and "URL" in key}
    assert hosts == {f"http://zalo-sandbox:{port}"}
    assert DEV["LOA_EMAIL_HOST"] == "mailpit" and SERVICES["mailpit"]["profiles"] == ["dev"]
    passed = LOA["deliver-email"]["environment"] | LOA["deliver-zalo"]["environment"]
    assert {name for name in DEV if name.startswith("LOA_")} <= set(passed)


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" and self.server.ready else 503)
        self.end_headers()

    def log_message(self, *_):
        """Says nothing: test output stays readable."""


@pytest.fixture
def health_server():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready)
    server.ready = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def probe(port: int) -> int:
    word, *command = PROBE
    assert word == "CMD" and command[0] == "python"
    script = command[-1].replace(":8080/", f":{port}/")
    done = subprocess.run(
        [sys.executable, *command[1:-1], script], capture_output=True, check=False
    )
    return done.returncode


def test_the_healthcheck_passes_only_while_loa_is_ready(health_server):
    assert probe(health_server.server_port) == 0
    health_server.ready = False
    assert probe(health_server.server_port) != 0


@pytest.mark.parametrize("arguments", [[], ["--env-file", "deploy/dev.env", "--profile", "dev"]])
def test_compose_itself_accepts_the_file(arguments):
    if not shutil.which("docker-compose"):
        pytest.skip("docker-compose is not installed (Debian: apt install docker-compose)")
    answer = subprocess.run(
        ["docker-compose", *arguments, "config", "--format", "json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 0, answer.stderr
    shown = set(json.loads(answer.stdout)["services"])
    assert shown == {n for n, s in SERVICES.items() if arguments or "profiles" not in s}
