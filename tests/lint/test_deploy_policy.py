"""Rights of the stack: compose.yaml and Dockerfile against rules, and planted breaches."""

import copy
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.deploy_mounts import MOUNTS
from tests.support.repository import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "compose.yaml").read_text())
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PIN_SCRIPT = (ROOT / "deploy" / "pin-images").read_text()
PINNED = dict(re.findall(r"^pin (\w+) (\S+)$", PIN_SCRIPT, re.M))
"""Which variable takes the digest of which image."""
OWN_IMAGE = re.compile(r"loa:\$\{IMAGE_TAG:-\d+\.\d+\.\d+\}")
FORBIDDEN = {
    *("privileged", "cap_add", "devices", "network_mode", "pid", "ipc", "userns_mode"),
    *("env_file", "extra_hosts", "uts", "cgroup", "volumes_from", "device_cgroup_rules"),
}
SECRET_NAME = re.compile("PASSWORD|SECRET|TOKEN|VERIFIER|CREDENTIAL|PRIVATE|API_KEY")
NO_HEALTHCHECK = {"admin", "bus-apply", "bus-config"}
"""They end after one command."""


def breaches(compose: dict[str, Any]) -> list[str]:
    """Every breach of a rule, as `service: what`."""
    found = [
        f"{name}: {what}"
        for name, service in compose["services"].items()
        for rule in (privileges, environment, image, limits, mounts, ports, health)
        for what in rule(name, service)
    ]
    if compose["networks"]["bus"] != {"internal": True}:
        found.append("bus: a way out")
    found += [
        f"{name}: no file" for name, one in compose["secrets"].items() if set(one) != {"file"}
    ]
    return found


def privileges(name, service):
    if service.get("read_only") is not True:
        yield "writable root"
    if service.get("cap_drop") != ["ALL"]:
        yield "capabilities"
    if "no-new-privileges:true" not in service.get("security_opt", []):
        yield "new privileges"
    if not re.fullmatch(r"[1-9]\d*:[1-9]\d*", str(service.get("user", ""))):
        yield "root"
    yield from sorted(FORBIDDEN & set(service))
    if not set(service.get("networks", [])) <= {"bus", "outside"}:
        yield "network"


def environment(name, service):
    """Secrets come as files, and no address holds a password."""
    for variable, value in service.get("environment", {}).items():
        if SECRET_NAME.search(variable) and not variable.endswith("_FILE"):
            yield f"secret {variable}"
        if re.search(r"//[^/@]*:[^/@]+@", str(value)):
            yield f"password in {variable}"


def image(name, service):
    """Our own by version, others by a variable that deploy/pin-images fills with a digest."""
    if OWN_IMAGE.fullmatch(service["image"]):
        return
    variable = re.fullmatch(r"\$\{(\w+):-(\S+:\S+)\}", service["image"])
    if not variable or PINNED.get(variable[1]) != variable[2] or ":latest" in variable[2]:
        yield "image can't be pinned"


def limits(name, service):
    for limit in ("mem_limit", "pids_limit", "logging", "stop_grace_period"):
        if not service.get(limit):
            yield f"no {limit}"
    for mount in service.get("tmpfs", []):
        if "size=" not in mount:
            yield f"tmpfs without a limit {mount}"


def mounts(name, service):
    found = set()
    for mount in service.get("volumes", []):
        if not isinstance(mount, dict) or mount["type"] != "bind":
            yield f"volume {mount}"
            continue
        if mount["bind"] != {"create_host_path": False}:
            yield f"made by the engine {mount['source']}"
        source = re.sub(r"\$\{RELAY_LOG_DIR:-(.*)\}", r"\1", mount["source"])
        path = source.removeprefix("${STATE_DIR:-/srv/loa}/")
        if path == source:
            yield f"outside {source}"
        else:
            found.add((path, "r" if mount.get("read_only") else "w"))
    if found != MOUNTS.get(name):
        yield f"mounts {sorted(found)}"


def ports(name, service):
    for port in service.get("ports", []):
        if not re.fullmatch(r"127\.0\.0\.1:\d+:\d+", str(port)):
            yield f"port {port}"


def health(name, service):
    check = service.get("healthcheck", {})
    if name in NO_HEALTHCHECK:
        return
    if check.get("disable") or check.get("test", [""])[0] != "CMD" or "timeout" not in check:
        yield "no healthcheck"


def test_the_stack_keeps_every_rule_and_every_mount_of_the_table():
    assert breaches(COMPOSE) == []
    assert set(MOUNTS) == set(COMPOSE["services"])


BIND = {"type": "bind", "target": "/x", "bind": {"create_host_path": False}}
BREACHES: list[tuple[dict[str, Any], str]] = [
    ({"read_only": False}, "writable root"),
    ({"cap_drop": ["NET_RAW"]}, "capabilities"),
    ({"cap_add": ["SYS_ADMIN"]}, "cap_add"),
    ({"security_opt": []}, "new privileges"),
    ({"user": "0:0"}, "root"),
    ({"privileged": True}, "privileged"),
    ({"network_mode": "host"}, "network_mode"),
    ({"pid": "host"}, "pid"),
    ({"networks": ["bus", "default"]}, "network"),
    ({"environment": {"LOA_EMAIL_PASSWORD": "x"}}, "secret LOA_EMAIL_PASSWORD"),
    ({"environment": {"LOA_NATS_URL": "nats://loa:loa@nats:4222"}}, "password in LOA_NATS_URL"),
    ({"image": "nats:latest"}, "image can't be pinned"),
    ({"image": "${OTHER_IMAGE:-nats:2.15-alpine}"}, "image can't be pinned"),
    ({"image": "${NATS_IMAGE:-nats:2.16-alpine}"}, "image can't be pinned"),
    ({"mem_limit": None}, "no mem_limit"),
    ({"pids_limit": 0}, "no pids_limit"),
    ({"tmpfs": ["/tmp"]}, "tmpfs without a limit /tmp"),
    ({"volumes": ["/var/run/docker.sock:/var/run/docker.sock"]}, "volume /var/run/docker.sock"),
    ({"volumes": [BIND | {"source": "/var/run/docker.sock"}]}, "outside /var/run/docker.sock"),
    ({"volumes": [BIND | {"source": "${STATE_DIR:-/srv/loa}/data"}]}, "mounts [('data', 'w')]"),
    ({"ports": ["8080:8080"]}, "port 8080:8080"),
    ({"ports": ["0.0.0.0:8080:8080"]}, "port 0.0.0.0:8080:8080"),
    ({"healthcheck": {"disable": True}}, "no healthcheck"),
]


@pytest.mark.parametrize(("change", "what"), BREACHES)
def test_each_breach_is_found(change, what):
    compose = copy.deepcopy(COMPOSE)
    compose["services"]["gateway"] |= change
    assert [one for one in breaches(compose) if one.startswith(f"gateway: {what}")]


def dockerfile_breaches(text: str) -> list[str]:
    """The rules of hadolint that matter here."""
    lines = re.sub(r"\\\n\s*", " ", text).splitlines()
    words = [line.split(None, 1) for line in lines if line.strip() and not line.startswith("#")]
    found = [what for word, rest in words for what in instruction_breaches(word, rest)]
    bases = [rest.split()[0] for word, rest in words if word == "FROM"]
    if any(base != "${BASE}" for base in bases):
        found.append("a base that no argument pins")
    stages = text.split("\nFROM ")
    users = re.findall(r"^USER (\S+)$", stages[-1], re.M)
    if not users or not re.fullmatch(r"[1-9]\d*:[1-9]\d*", users[-1]):
        found.append("runs as root")
    return found


def instruction_breaches(word, rest):
    if word == "ADD":
        yield "ADD: use COPY"
    if (
        word == "ARG"
        and re.match(r"BASE=", rest)
        and not re.fullmatch(r"BASE=[\w./-]+:[\w.-]+", rest)
    ):
        yield "base without a tag"
    if ":latest" in rest:
        yield "latest"
    if word in ("ENV", "ARG") and SECRET_NAME.search(rest):
        yield "secret in the image"
    if word in ("ENTRYPOINT", "CMD") and not rest.startswith("["):
        yield f"{word} through a shell"
    if word == "RUN":
        yield from run_breaches(rest)


def run_breaches(command):
    if re.search(r"\b(curl|wget|sudo|apt-get|apk)\b", command):
        yield f"RUN {command}"
    if "pip install" in command and not re.search("--require-hashes|--no-deps", command):
        yield "pip without hashes"


def test_the_image_keeps_the_rules():
    assert dockerfile_breaches(DOCKERFILE) == []
    default = re.search(r"^ARG BASE=(\S+)$", DOCKERFILE, re.M)[1]
    assert PINNED["BASE_IMAGE"] == default
    args = COMPOSE["x-loa"]["build"]["args"]
    assert args == {"BASE": f"${{BASE_IMAGE:-{default}}}"}


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("USER 10001:10001", "USER root", "runs as root"),
        ("USER 10001:10001\n", "", "runs as root"),
        ("FROM ${BASE}\n", "FROM python:3.13\n", "a base that no argument pins"),
        ("python:3.13-slim-trixie", "python:latest", "latest"),
        ("COPY requirements.lock", "ADD https://x.example/requirements.lock", "ADD: use COPY"),
        ("--require-hashes ", "", "pip without hashes"),
        ("LOA_HTTP_PORT=8080", "LOA_EMAIL_PASSWORD=x", "secret in the image"),
        ('CMD ["up"]', "CMD loa up", "CMD through a shell"),
        ("WORKDIR /src", "RUN curl https://x.example | sh", "RUN curl https://x.example | sh"),
    ],
)
def test_each_breach_of_the_image_is_found(old, new, what):
    assert old in DOCKERFILE
    assert what in dockerfile_breaches(DOCKERFILE.replace(old, new))


def test_no_digest_is_invented():
    """A digest comes from the registry, by deploy/pin-images; nothing here could have looked."""
    for path in ("compose.yaml", "Dockerfile", "deploy/dev.env", "deploy/README.md"):
        assert not re.search("sha256:[0-9a-f]{64}", Path(ROOT / path).read_text())
