"""Mails to look at, written as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from channels.email.preview import Preview

Facts = dict[str, Any]


def written(mails: Mapping[str, Preview], out: Path, stem: str) -> list[Facts]:
    """What was written of each kind of mail; the folder is made where it is missing."""
    out.mkdir(parents=True, exist_ok=True)
    return [
        {"reader": kind, "subject": mail.subject, "from": mail.sender, "files": files}
        for kind, mail in mails.items()
        for files in [files_of(mail, out / f"{stem}.{kind}")]
    ]


def files_of(mail: Preview, stem: Path) -> Mapping[str, str]:
    """Kind → file."""
    parts = {"html": mail.html.encode(), "txt": mail.text.encode(), "eml": mail.eml}
    for kind, part in parts.items():
        Path(f"{stem}.{kind}").write_bytes(part)
    return {kind: f"{stem}.{kind}" for kind in parts}


def tell(facts: list[Facts]) -> None:
    for mail in facts:
        typer.echo(f"{mail['reader']}: {mail['subject']}\n  {mail['from']}")
        for file in mail["files"].values():
            typer.echo(f"  {file}")
