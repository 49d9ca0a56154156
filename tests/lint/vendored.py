"""Files of other projects that the desk serves: `python -m tests.lint.vendored` fetches them anew.

MANIFEST.toml names package, version and file. npm's archive is read and nothing is run. The only
change: bare names in lines of import become those of the files beside.
"""

import io
import re
import subprocess
import tarfile
import tempfile
import tomllib
from hashlib import sha256
from pathlib import Path

from tests.lint.sources import ROOT

FOLDER = ROOT / "producers/desk/static/vendor"
MANIFEST = FOLDER / "MANIFEST.toml"
_BARE = re.compile(r"""^((?:import|export) .* from )(['"])([a-z0-9-]+)\2""", re.MULTILINE)
_BESIDE = re.compile(r"""^((?:import|export) .* from )(['"])\./([a-z0-9-]+)\.js\2""", re.MULTILINE)


def entries() -> list[dict[str, str]]:
    """Entries of MANIFEST.toml, one for each file."""
    files: list[dict[str, str]] = tomllib.loads(MANIFEST.read_text("utf-8"))["file"]
    return files


def beside(text: str) -> str:
    """A module that imports the files beside it."""
    return _BARE.sub(r"\1\2./\3.js\2", text)


def original(text: str) -> str:
    """The same module as its package has it."""
    return _BESIDE.sub(r"\1\2\3\2", text)


def digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()


def _package(name: str, version: str) -> dict[str, str]:
    """The texts of a package, by path."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["npm", "pack", "--silent", f"{name}@{version}"]
        packed = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
        archive = (Path(folder) / packed.stdout.strip()).read_bytes()
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        texts = {one.name: files.extractfile(one) for one in files if one.isfile()}
        return {
            name.removeprefix("package/"): stream.read().decode()
            for name, stream in texts.items()
            if stream and name.endswith((".js", "LICENSE"))
        }


def main() -> None:
    """Write each file, its licence, and the hashes of both forms into the manifest."""
    manifest = MANIFEST.read_text("utf-8")
    for entry in entries():
        texts = _package(entry["package"], entry["version"])
        text = texts[entry["source"]]
        (FOLDER / entry["name"]).write_text(beside(text), "utf-8")
        (FOLDER / f"{entry['package']}.LICENSE").write_text(texts["LICENSE"], "utf-8")
        manifest = manifest.replace(entry["sha256"], digest(beside(text)))
        manifest = manifest.replace(entry["original_sha256"], digest(text))
    MANIFEST.write_text(manifest, "utf-8")


if __name__ == "__main__":
    main()
