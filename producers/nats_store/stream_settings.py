"""Settings files of streams, completed after nats-server was killed while it wrote them.

The server writes the settings of a stream, then their checksum, each file whole. Killed in between
it leaves the stream out at each later start, though all its messages are there.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import structlog

from producers.bus_access.key_files import write_private
from producers.errors import StreamSettingsDamaged
from producers.nats_store.highway_hash import highway_hash_64

_SETTINGS_FILE, _CHECKSUM_FILE = "meta.inf", "meta.sum"
log = structlog.get_logger()


def complete_checksums(streams: Path) -> None:
    """Write the checksums that a killed server has not written.

    Raises StreamSettingsDamaged for settings that no server left like this. A folder without
    settings stays as it is: a stream that is created in it takes over its messages.
    """
    for stream in _folders_with_settings(streams, "*"):
        if not _matches_checksum(stream):
            if not _was_interrupted(stream):
                raise StreamSettingsDamaged(stream.name, stream / _SETTINGS_FILE)
            _write_checksum(stream, stream.name)
    for consumer in _folders_with_settings(streams, "*/obs/*"):
        is_missing = not (consumer / _CHECKSUM_FILE).exists()  # the server looks at nothing else
        if is_missing and _name_in_settings(consumer) == consumer.name:
            _write_checksum(consumer, f"{consumer.parts[-3]}/{consumer.name}")


def _folders_with_settings(streams: Path, pattern: str) -> Iterator[Path]:
    """In order; folders with a dot in front hold streams that are being deleted."""
    for file in sorted(streams.glob(f"{pattern}/{_SETTINGS_FILE}")):
        if not file.relative_to(streams).parts[0].startswith("."):
            yield file.parent


def _matches_checksum(stream: Path) -> bool:
    checksum = stream / _CHECKSUM_FILE
    return checksum.exists() and checksum.read_bytes() == _checksum(stream, stream.name)


def _checksum(folder: Path, name: str) -> bytes:
    key = hashlib.sha256(name.encode()).digest()
    return highway_hash_64(key, (folder / _SETTINGS_FILE).read_bytes()).hex().encode()


def _was_interrupted(stream: Path) -> bool:
    """Whether the settings are whole, and not older than their checksum.

    Damage from outside leaves the times alone: the checksum is younger, or as old on a fast disk.
    """
    settings, checksum = stream / _SETTINGS_FILE, stream / _CHECKSUM_FILE
    is_older = checksum.exists() and settings.stat().st_mtime_ns < checksum.stat().st_mtime_ns
    return not is_older and _name_in_settings(stream) == stream.name


def _name_in_settings(folder: Path) -> object:
    """None where the settings can't be read."""
    try:
        return json.loads((folder / _SETTINGS_FILE).read_bytes())["name"]
    except (ValueError, TypeError, KeyError):
        return None


def _write_checksum(folder: Path, name: str) -> None:
    write_private(folder / _CHECKSUM_FILE, _checksum(folder, name))
    log.warning("stream_settings_completed", of=name)
