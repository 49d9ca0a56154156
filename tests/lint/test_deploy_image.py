"""The Dockerfile says what the code says: what an image holds, where it comes from, how it runs."""

import json
import re
import tomllib
from fnmatch import fnmatch

from tests.support.compose_files import DOCKERFILE, LOA, ROOT, instruction


def test_the_image_runs_loa_as_nobody_special_and_stops_it_politely():
    assert json.loads(instruction("ENTRYPOINT")) == ["loa"]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert "loa" in scripts
    assert instruction("USER") == LOA["gateway"]["user"]
    assert instruction("STOPSIGNAL") == "SIGTERM"
    assert re.search(r"\bLOA_HTTP_HOST=0\.0\.0\.0\b", DOCKERFILE)


def test_the_image_takes_its_packages_from_the_lock_with_hashes():
    installs = re.findall(r"pip install (.+)$", DOCKERFILE, re.M)
    assert installs == ["--require-hashes -r requirements.lock", "--no-deps --no-build-isolation ."]


def test_the_image_has_a_base_that_can_be_pinned_and_says_what_it_is():
    assert re.findall(r"^FROM (\S+)", DOCKERFILE, re.M) == ["${BASE}", "${BASE}"]
    assert not re.search(r"^ARG BASE=\S+:latest", DOCKERFILE, re.M)
    labels = set(re.findall(r"org\.opencontainers\.image\.(\w+)=", DOCKERFILE))
    assert {"title", "description", "licenses", "version", "revision"} <= labels
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"ARG VERSION={version}\n" in DOCKERFILE
    assert LOA["gateway"]["image"] == f"loa:${{IMAGE_TAG:-{version}}}"


def test_the_build_sees_what_it_copies_and_nothing_else():
    allowed = [
        line[1:]
        for line in (ROOT / ".dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    copied = [
        source
        for line in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE, re.M)
        for source in line.split()[:-1]
    ]
    assert all((ROOT / source).exists() for source in copied)
    assert sorted(copied) == sorted(allowed)
    assert not any(fnmatch(".env", pattern) for pattern in allowed)
