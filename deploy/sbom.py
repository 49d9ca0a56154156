"""The list of what Loa is made of, in CycloneDX 1.6: `python -m deploy.sbom FILE [LOCK]`.

Two runs on the same lock give the same bytes: no time and no random number is in it.
"""

import base64
import json
import sys
import tomllib
import uuid
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from deploy.licences import licence_of
from deploy.lock import LockedPackage, read_lock

ROOT = Path(__file__).parents[1]
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "loa.moha.gov.vn")
_VENDORED = ROOT / "producers/desk/static/vendor/MANIFEST.toml"
_CLIENT_LOCK = ROOT / "clients/typescript/package-lock.json"
_SCHEMA = "http://cyclonedx.org/schema/bom-1.6.schema.json"


class NpmPackage(NamedTuple):
    """A package of npm; *needs*: names of others beside it in the bill."""

    name: str
    version: str
    licence: str
    algorithm: str
    hashes: tuple[str, ...]
    needs: tuple[str, ...] = ()

    @property
    def purl(self) -> str:
        return f"pkg:npm/{self.name.replace('@', '%40')}@{self.version}"


def build_sbom(
    packages: list[LockedPackage], project: dict[str, Any], npm: Sequence[NpmPackage] = ()
) -> dict[str, Any]:
    """The bill of materials of *project*: its lock's *packages*, and those of *npm*."""
    root = f"{project['name']}@{project['version']}"
    content = {
        "metadata": {"component": _root_component(root, project)},
        "components": [*map(_component, packages), *map(_npm_component, npm)],
        "dependencies": [*_dependencies(packages, root), *_npm_dependencies(npm)],
    }
    serial = uuid.uuid5(_NAMESPACE, json.dumps(content, sort_keys=True))
    head = {"$schema": _SCHEMA, "bomFormat": "CycloneDX", "specVersion": "1.6"}
    return head | {"serialNumber": f"urn:uuid:{serial}", "version": 1} | content


def _root_component(root: str, project: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "application",
        "bom-ref": root,
        "name": project["name"],
        "version": project["version"],
        "description": project["description"],
        "licenses": [{"expression": project["license"]}],
    }


def _component(package: LockedPackage) -> dict[str, Any]:
    """A package; its hashes are those of all its files, of which an installation takes one."""
    hashes = [{"alg": "SHA-256", "content": content} for content in package.hashes]
    component: dict[str, Any] = {
        "type": "library",
        "bom-ref": package.purl,
        "name": package.name,
        "version": package.version,
        "purl": package.purl,
        "externalReferences": [{"type": "distribution", "url": package.purl, "hashes": hashes}],
    }
    if licence := licence_of(package.name):
        component["licenses"] = [{"expression": licence}]
    if package.marker:
        component["properties"] = [{"name": "loa:environment-marker", "value": package.marker}]
    return component


def vendored_scripts() -> list[NpmPackage]:
    """The npm packages whose files the desk serves; hashes are those of the packages' files."""
    hashes: dict[tuple[str, str, str], list[str]] = {}
    for file in tomllib.loads(_VENDORED.read_text("utf-8"))["file"]:
        key = file["package"], file["version"], file["licence"]
        hashes.setdefault(key, []).append(file["original_sha256"])
    return [NpmPackage(*key, "SHA-256", tuple(found)) for key, found in sorted(hashes.items())]


def client_packages() -> list[NpmPackage]:
    """TypeScript client and the packages it needs, none of which is part of a running Loa."""
    locked = json.loads(_CLIENT_LOCK.read_text("utf-8"))["packages"]
    return [_locked_npm(path, one) for path, one in locked.items() if not one.get("dev")]


def _locked_npm(path: str, entry: dict[str, Any]) -> NpmPackage:
    name = entry.get("name") or path.rpartition("node_modules/")[2]
    integrity = entry.get("integrity", "").removeprefix("sha512-")
    hashes = (base64.b64decode(integrity).hex(),) if integrity else ()
    needs = tuple(entry.get("dependencies", ()))
    return NpmPackage(name, entry["version"], entry["license"], "SHA-512", hashes, needs)


def _npm_component(package: NpmPackage) -> dict[str, Any]:
    purl = package.purl
    listed = [{"alg": package.algorithm, "content": content} for content in package.hashes]
    return {
        "type": "library",
        "bom-ref": purl,
        "name": package.name,
        "version": package.version,
        "purl": purl,
        "externalReferences": [{"type": "distribution", "url": purl, "hashes": listed}],
        "licenses": [{"expression": package.licence}],
    }


def _npm_dependencies(packages: Sequence[NpmPackage]) -> list[dict[str, Any]]:
    purls = {package.name: package.purl for package in packages}
    return [
        {"ref": one.purl, "dependsOn": sorted(purls[name] for name in one.needs)}
        for one in packages
    ]


def _dependencies(packages: Iterable[LockedPackage], root: str) -> list[dict[str, Any]]:
    """Who needs whom, as the lock's comments say."""
    needs: dict[str, set[str]] = {root: set()}
    refs = {package.name: package.purl for package in packages}
    for package in packages:
        needs.setdefault(package.purl, set())
        for parent in package.needed_by:
            needs.setdefault(refs.get(parent, root), set()).add(package.purl)
    return [{"ref": ref, "dependsOn": sorted(needed)} for ref, needed in sorted(needs.items())]


def write_sbom(target: Path, lock: str = "requirements.lock") -> None:
    """Write the file, and its folder if need be."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    npm = [*vendored_scripts(), *client_packages()]
    sbom = build_sbom(read_lock(ROOT / lock), project, npm)
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(json.dumps(sbom, indent=1, ensure_ascii=False) + "\n", "utf-8")


if __name__ == "__main__":
    write_sbom(Path(sys.argv[1]), *sys.argv[2:])
