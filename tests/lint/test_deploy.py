"""The stack says what the code says: image, services, variables, secrets, ports, and its bus."""

import http.server
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import urllib.request
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr
from pydantic_settings import BaseSettings

from channels.email.settings import EmailSettings
from channels.zalo.settings import ZaloSettings
from consumers.app.ports import SANDBOX_PORT_OFFSET
from consumers.app.service_names import SERVICE_NAMES
from consumers.app.settings import LoaSettings, load_vocabulary
from consumers.app.unknown_variables import known_variables, variables_of
from consumers.app.wiring.stand_ins import withheld_stand_ins
from consumers.key_file import KeyFile, KeyFilePart
from consumers.seals.records import REPLICA_PURPOSES
from contracts import subjects
from contracts.vocabulary import DEFAULT
from producers.access import Access
from producers.bus import AccessRefused, Bus, server_check, topology
from producers.bus_access.configuration import ConfigurationFolder, ServerPlace
from producers.bus_access.rights import ADMIN
from tests.lint.sources import PRODUCT, ROOT, SOURCES
from tests.support.bus_configuration import server_settings, write_configuration

COMPOSE_TEXT = (ROOT / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
COMMANDS = {"admin": [ADMIN], "bus-apply": [ADMIN], "bus-config": []}
"""Containers that end after one command, and the identity of each."""
OWN = {n: s for n, s in SERVICES.items() if s["image"].startswith("loa:")}
LOA = {n: s for n, s in OWN.items() if n not in COMMANDS}
DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
DEV = dict(re.findall(r"^([^#\n][^=\n]*)=(.*)$", (ROOT / "deploy" / "dev.env").read_text(), re.M))
DOCUMENTED = (ROOT / "docs" / "configuration.md").read_text()
TABLE = re.findall(r"^\| `((?:LOA|OTEL)_\w+)` \|[^|]*\| (\*secret\*)?", DOCUMENTED, re.M)
DEFAULTS = re.findall(r"^\| `((?:LOA|OTEL)_\w+)` \| (`[^`]*`|empty) \|", DOCUMENTED, re.M)
VARIABLES = {name for name, _ in TABLE}
SECRETS = {name for name, secret in TABLE if secret}
PROBE = LOA["gateway"]["healthcheck"]["test"]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives folders to the containers' user")


def instruction(word: str) -> str:
    """Text after the last *word* of the Dockerfile: the final stage's."""
    return re.findall(rf"^{word} (.+)$", DOCKERFILE, re.M)[-1].strip()


def all_variables() -> dict[str, Any]:
    """Each variable of each settings class of the product, with its default."""
    for file, text in SOURCES.items():
        if "BaseSettings" in text:
            importlib.import_module(file.removesuffix(".py").replace("/", "."))
    bases = [BaseSettings, *BaseSettings.__subclasses__()]
    classes = [settings for base in bases for settings in base.__subclasses__()]
    own = [s for s in classes if s.__module__.partition(".")[0] in PRODUCT]
    return {name: field.default for settings in own for name, field in variables_of(settings)}


def test_documents_and_code_name_the_same_variables_and_defaults():
    variables = all_variables()
    assert set(variables) == VARIABLES
    assert known_variables() == VARIABLES | {f"{name}_FILE" for name in SECRETS}
    shown = {name: "" if default == "empty" else default.strip("`") for name, default in DEFAULTS}
    assert {name: plain(variables[name]) for name in shown} == shown


def plain(default: Any) -> str:
    value = default.get_secret_value() if isinstance(default, SecretStr) else default
    return "" if value is None else str(value)


def test_every_variable_of_the_stack_is_documented():
    used = set(re.findall(r"\b(?:LOA|OTEL)_[A-Z_]+", COMPOSE_TEXT + DOCKERFILE + "\n".join(DEV)))
    assert used <= known_variables()


def test_every_loa_container_runs_one_service_and_every_service_has_a_container():
    assert [service["command"] for service in LOA.values()] == [["run", name] for name in LOA]
    assert sorted(LOA) == sorted(SERVICE_NAMES)


def test_the_stand_ins_are_there_for_trying_out_only():
    profiles = {n: s["profiles"] for n, s in SERVICES.items() if "profiles" in s}
    stand_ins = {name: ["dev"] for name in ("mailbox", "zalo-sandbox", "mailpit")}
    others = {"admin": ["admin"], "bus-config": ["admin"]}
    others |= {"portal-replica": ["replica"]}
    others |= {name: ["observability"] for name in ("prometheus", "grafana")}
    assert profiles == stand_ins | others
    named = {n: s["environment"].get("LOA_STAND_INS") for n, s in LOA.items()}
    assert named == {n: n if n in ("mailbox", "zalo-sandbox") else None for n in LOA}


def test_the_image_by_itself_starts_no_stand_in(tmp_path):
    """`docker run loa`: everything in one process, on every address of the container."""
    host = re.search(r"\bLOA_HTTP_HOST=(\S+)", DOCKERFILE)[1]
    assert json.loads(instruction("CMD")) == ["up"] and "LOA_STAND_INS" not in DOCKERFILE
    settings = LoaSettings(_env_file=None, http_host=host)
    unset = EmailSettings(_env_file=None), ZaloSettings(_env_file=None)
    assert withheld_stand_ins(settings, *unset) == {"mailbox", "zalo-sandbox"}


@pytest.mark.parametrize("name", LOA)
def test_a_loa_container_has_no_secret_in_its_environment_and_waits_for_a_healthy_bus(name):
    service = LOA[name]
    assert not SECRETS & set(service["environment"])
    for variable, value in service["environment"].items():
        if variable.removesuffix("_FILE") in SECRETS:
            granted = Path(value).name
            assert granted in service["secrets"] and granted in COMPOSE["secrets"]
    applied = {"bus-apply": {"condition": "service_completed_successfully"}}
    assert service["depends_on"] == {"nats": {"condition": "service_healthy"}} | applied
    assert "bus" in service["networks"]


@pytest.mark.parametrize("name", OWN)
def test_a_loa_container_has_the_key_of_its_own_service_alone(name):
    granted = [one for one in OWN[name].get("secrets", []) if isinstance(one, dict)]
    wanted = COMMANDS.get(name, [name])
    assert granted == [{"source": f"bus_{one}", "target": "bus_key"} for one in wanted]
    for one in wanted:
        file = "${STATE_DIR:-/srv/loa}/" + f"bus/keys/{one}.nk"
        assert COMPOSE["secrets"][f"bus_{one}"] == {"file": file}
    assert OWN[name]["environment"]["LOA_NATS_NKEY_FILE"] == "/run/secrets/bus_key"
    assert "bus" not in {
        mount["source"].rpartition("/")[2] for mount in LOA.get(name, {}).get("volumes", ())
    }


def replica_part(state):
    return KeyFilePart.open(state / "data" / "replica.key", REPLICA_PURPOSES)


@needs_root
def test_prepare_makes_what_the_stack_mounts_and_leaves_a_secret_as_it_is(tmp_path):
    prepare = [ROOT / "deploy" / "prepare", tmp_path]
    subprocess.run(prepare, check=True, capture_output=True)
    written_later = {"bus/server"}  # by `loa bus config`, as are the keys
    mounted_paths = set(re.findall(r"\$\{STATE_DIR:-/srv/loa\}/([^\s}]+)", COMPOSE_TEXT))
    for mounted in mounted_paths - written_later:
        if mounted.startswith("bus/keys/"):
            continue
        status = (tmp_path / mounted).stat()
        assert status.st_uid == int(LOA["gateway"]["user"].split(":")[0])
        assert status.st_mode & 0o077 == 0
    key = (tmp_path / "data" / "vault.key").read_bytes()
    whole = KeyFile.open(tmp_path / "data" / "vault.key", create=False)
    parts = {"notices.key": whole.notices_key(), "receipts.key": whole.receipts_key()}
    for name, part in parts.items():
        assert KeyFile.open(tmp_path / "data" / name, create=False).secret == part
    assert replica_part(tmp_path) == whole.part(REPLICA_PURPOSES)
    secrets = tmp_path / "secrets"
    (secrets / "email_password").write_text("chua-doi")
    made = (secrets / "grafana_password").read_text()
    assert len(made) == 32, "Grafana takes an empty one for its own, which everybody knows"
    subprocess.run(prepare, check=True, capture_output=True)
    assert (secrets / "email_password").read_text() == "chua-doi"
    assert (secrets / "grafana_password").read_text() == made
    assert (tmp_path / "data" / "vault.key").read_bytes() == key
    assert load_vocabulary(LoaSettings(data_dir=tmp_path / "data")) is DEFAULT


@needs_root
def test_prepare_takes_over_an_earlier_folder_and_makes_no_second_key(tmp_path):
    data, jetstream = tmp_path / "data", tmp_path / "nats" / "jetstream"
    for folder in (data / "portal", jetstream):
        folder.mkdir(parents=True)
    (data / "portal").chmod(0o755)
    for name in ("directory.sqlite", "directory.sqlite-wal"):
        (data / name).write_text(name)
    prepare = [ROOT / "deploy" / "prepare", tmp_path]
    refused = subprocess.run(prepare, capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "vault.key" in refused.stderr
    assert not (data / "vault.key").exists()
    secret = "365c2500abff0a00" * 4  # bytes that a shell may lose
    (data / "vault.key").write_text(secret)
    subprocess.run(prepare, check=True, capture_output=True)
    assert (data / "vault.key").read_text() == secret
    assert replica_part(tmp_path) == KeyFile(bytes.fromhex(secret)).part(REPLICA_PURPOSES)
    assert (data / "portal").stat().st_mode & 0o777 == 0o755, "a web server may read it"
    moved = {path.name: path.read_text() for path in (data / "readers").iterdir()}
    assert moved == {name: name for name in ("directory.sqlite", "directory.sqlite-wal")}
    assert not list(data.glob("directory.sqlite*"))


@needs_root
def test_prepare_follows_no_link_that_a_container_has_planted(tmp_path):
    data, victim = tmp_path / "data", tmp_path / "victim"
    data.mkdir()
    victim.write_text("root's own")
    for name in ("vault.key.new", "notices.key", "notices.key.new", "receipts.key", "replica.key"):
        (data / name).symlink_to(victim)
    prepare = [ROOT / "deploy" / "prepare", tmp_path]
    subprocess.run(prepare, check=True, capture_output=True)
    assert (victim.read_text(), victim.stat().st_uid) == ("root's own", os.getuid())
    assert not (data / "replica.key").is_symlink()
    for name in ("vault.key", "notices.key", "receipts.key"):
        assert not (data / name).is_symlink()
        KeyFile.open(data / name, create=False)
    shutil.rmtree(data / "readers")
    (data / "readers").symlink_to(tmp_path)
    refused = subprocess.run(prepare, capture_output=True, text=True, check=False)
    assert refused.returncode == 1 and "readers" in refused.stderr


FAKE_DOCKER = """#!/bin/sh
case "$*" in
  "pull --quiet "*) echo "$3" >>"$PULLED" ;;
  "image inspect --format {{index .RepoDigests 0}} "*) echo "${5%%:*}@sha256:DIGEST" ;;
  *) exit 9 ;;
esac
"""


def test_pinning_writes_a_digest_for_every_image_of_others(tmp_path):
    docker, out = tmp_path / "docker", tmp_path / "images.env"
    docker.write_text(FAKE_DOCKER.replace("DIGEST", "ab" * 32))
    docker.chmod(0o755)
    environ = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PULLED": tmp_path / "log"}
    command = [ROOT / "deploy" / "pin-images", out]
    subprocess.run(command, env=environ, check=True, capture_output=True)
    images = dict(line.split("=", 1) for line in out.read_text().splitlines())
    named = dict(re.findall(r"\$\{(\w+_IMAGE):-([^}]+)\}", COMPOSE_TEXT))
    assert images == {name: f"{image}@sha256:{'ab' * 32}" for name, image in named.items()}
    assert sorted((tmp_path / "log").read_text().split()) == sorted(named.values())
    docker.write_text(FAKE_DOCKER.replace("@sha256:DIGEST", ""))
    failed = subprocess.run([*command], env=environ, capture_output=True, check=False)
    assert failed.returncode == 1
    assert out.read_text().count("@sha256:") == len(images), "the old file stays"


def test_who_is_asked_or_asks_other_hosts_has_a_way_out_and_no_other():
    """The portal's writer fetches covers, and tells a hub."""
    shut = {n for n, one in LOA.items() if "outside" not in one["networks"]}
    stand_ins = {"mailbox", "zalo-sandbox"}
    assert shut - stand_ins == {"canary", "digests", "dispatch", "feedback", "intake", "sweep"}
    told = LOA["deliver-portal"]["environment"]
    assert {"LOA_PORTAL_COVER_ALLOW", "LOA_PORTAL_HUB"} <= told.keys()


@pytest.mark.parametrize("name", LOA)
def test_ports_and_healthchecks_name_the_port_that_loa_listens_on(name):
    service, port = LOA[name], LOA[name]["environment"]["LOA_HTTP_PORT"]
    assert instruction("EXPOSE") == port
    assert f"http://127.0.0.1:{port}/readyz" in service["healthcheck"]["test"][-1]
    others = ("LOA_BOUNCES_PORT", "LOA_DESK_HTTP_PORT")
    known = {port, *(service["environment"].get(name, port) for name in others)}
    assert {published.split(":")[-1] for published in service.get("ports", [])} <= known


def test_only_the_faces_are_published_each_on_a_port_of_its_own_and_on_this_machine():
    published = {name: s["ports"] for name, s in SERVICES.items() if "ports" in s}
    faces = {"gateway", "portal", "pages", "opinions", "zalo-webhook", "bounces", "mailpit"}
    assert set(published) == faces | {"desk", "prometheus", "grafana"}
    addresses = [entry.rsplit(":", 1)[0] for ports in published.values() for entry in ports]
    assert all(address.startswith("127.0.0.1:") for address in addresses)
    assert len(set(addresses)) == len(addresses)


def test_the_bus_listens_where_the_stack_looks_for_it_and_not_outside(tmp_path):
    nats = SERVICES["nats"]
    assert nats["networks"] == ["bus"] and COMPOSE["networks"]["bus"] == {"internal": True}
    command = SERVICES["bus-config"]["command"]
    options = dict(zip(command[2::2], command[3::2], strict=True))
    port = options["--listen"].removeprefix("0.0.0.0:")
    assert COMPOSE["x-environment"]["LOA_NATS_URL"] == f"nats://nats:{port}"
    mounts = {mount["target"]: mount["source"] for mount in nats["volumes"]}
    assert options["--store"] in mounts
    conf = Path(nats["command"][-1])
    [written] = SERVICES["bus-config"]["volumes"]
    assert (written["target"], conf.parent) == (options["--out"], Path(nats["working_dir"]))
    assert mounts[str(conf.parent)] == f"{written['source']}/server"
    folder = ConfigurationFolder(tmp_path)
    folder.write(ServerPlace(options["--listen"], options["--store"]))
    monitor = re.search(
        r'^http: "127\.0\.0\.1:(\d+)"$', (tmp_path / "server" / conf.name).read_text(), re.M
    )
    assert f":{monitor[1]}/healthz" in nats["healthcheck"]["test"][-1]


def test_trying_out_points_loa_at_containers_of_the_dev_profile():
    port = int(LOA["zalo-sandbox"]["environment"]["LOA_HTTP_PORT"]) + SANDBOX_PORT_OFFSET
    hosts = {value for key, value in DEV.items() if key.startswith("LOA_ZALO") and "URL" in key}
    assert hosts == {f"http://zalo-sandbox:{port}"}
    assert DEV["LOA_EMAIL_HOST"] == "mailpit"
    passed = LOA["deliver-email"]["environment"] | LOA["deliver-zalo"]["environment"]
    assert {name for name in DEV if name.startswith("LOA_")} <= set(passed)


class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200 if self.path == "/readyz" and self.server.ready else 503)
        self.end_headers()


@pytest.mark.parametrize("ready", [True, False])
def test_the_healthcheck_passes_only_while_loa_is_ready(ready):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Ready) as server:
        server.ready = ready
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        word, python, *options, script = PROBE
        assert (word, python) == ("CMD", "python")
        script = script.replace(":8080/", f":{server.server_port}/")
        done = subprocess.run([sys.executable, *options, script], capture_output=True, check=False)
        server.shutdown()
        thread.join()
    assert (done.returncode == 0) is ready


@pytest.mark.skipif(not shutil.which("docker-compose"), reason="docker-compose is not installed")
@pytest.mark.parametrize("profile", ["", "dev", "observability"])
def test_compose_itself_accepts_the_file(profile):
    arguments = ["--env-file", "deploy/dev.env", "--profile", profile] if profile else []
    command = ["docker-compose", *arguments, "config", "--format", "json"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    shown = set(json.loads(answer.stdout)["services"])
    assert shown == {n for n, s in SERVICES.items() if s.get("profiles") in ([profile], None)}


def test_the_image_runs_loa_unprivileged_and_stops_it_with_sigterm():
    assert json.loads(instruction("ENTRYPOINT")) == ["loa"] == [*PROJECT["scripts"]]
    assert instruction("USER") == LOA["gateway"]["user"]
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert re.search(r"\bLOA_HTTP_HOST=0\.0\.0\.0\b", DOCKERFILE)


def test_the_image_is_built_from_pinned_parts_and_names_its_version():
    installs = re.findall(r"pip install (.+)$", DOCKERFILE, re.M)
    assert installs == ["--require-hashes -r ${LOCK}", "--no-deps --no-build-isolation ."]
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == ["${BASE}", "${BASE}"]
    assert not re.search(r"^ARG BASE=\S+:latest", DOCKERFILE, re.M)
    assert re.findall(r"^ARG LOCK=(\S+)", DOCKERFILE, re.M) == ["requirements.lock"]
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", DOCKERFILE))
    assert {"title", "description", "licenses", "version", "revision"} <= labels
    assert f"ARG VERSION={PROJECT['version']}\n" in DOCKERFILE
    assert LOA["gateway"]["image"] == f"loa:${{IMAGE_TAG:-{PROJECT['version']}}}"


def test_the_build_sees_what_it_copies_and_nothing_else():
    allowed = re.findall(r"^!(.+)$", (ROOT / ".dockerignore").read_text(), re.M)
    lines = re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
    copied = [source for line in lines for source in line.split()[:-1]]
    assert all((ROOT / source).exists() for source in copied)
    assert sorted(copied) == sorted(allowed)
    assert not any(fnmatch(".env", pattern) for pattern in allowed)


@pytest.fixture
def stack(other_server, tmp_path):
    """A real nats-server with the configuration of the stack, on loopback."""
    folder = write_configuration(tmp_path)
    with other_server(server_settings(tmp_path)) as server:
        yield server, Access(nkey_file=folder.keys.path(ADMIN))


async def test_the_bus_of_the_stack_fsyncs_always_and_has_room_for_every_stream(stack):
    server, access = stack
    with urllib.request.urlopen(f"{server.monitor_url}/jsz?config=true", timeout=5) as answer:
        config = json.load(answer)["config"]
    assert config["sync_always"] is True
    promised = sum(kept.max_bytes for kept in (*subjects.STREAMS, *subjects.BUCKETS))
    assert config["max_storage"] >= promised
    with pytest.raises(AccessRefused):
        await Bus.connect(server.url, name="test")
    async with await Bus.connect(server.url, name="test", access=access) as bus:
        await server_check.verify(bus)
        await topology.apply(bus)
        for stream in subjects.STREAMS:
            assert (await bus.stream_info(stream.name))["config"]["name"] == stream.name
