"""Mails to look at: their text, or files of all their parts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import typer

from channels.email.preview import Preview
from consumers.cli.answers import complain
from consumers.faults import fault

Facts = dict[str, Any]


def facts(mails: Mapping[str, Preview], out: Path | None, stem: str) -> list[Facts]:
    """What each kind of mail says, and the files written of it: none without a folder *out*.

    The folder is made where it is missing.
    """
    if out:
        out.mkdir(parents=True, exist_ok=True)
    return [
        {
            "reader": kind,
            "subject": mail.subject,
            "from": mail.sender,
            "text": mail.text.replace("\r\n", "\n"),
            "files": files_of(mail, out / f"{stem}.{kind}") if out else {},
        }
        for kind, mail in mails.items()
    ]


def files_of(mail: Preview, stem: Path) -> Mapping[str, str]:
    """Kind → file, once they are written."""
    parts = {"html": mail.html.encode(), "txt": mail.text.encode(), "eml": mail.eml}
    for kind, part in parts.items():
        Path(f"{stem}.{kind}").write_bytes(part)
    return {kind: f"{stem}.{kind}" for kind in parts}


def tell(mails: list[Facts]) -> None:
    """The files of each; where none were written its text, and how to get some."""
    for mail in mails:
        typer.echo(f"{mail['reader']}: {mail['subject']}\n  {mail['from']}")
        for file in mail["files"].values():
            typer.echo(f"  {file}")
        if not mail["files"]:
            typer.echo(f"\n{mail['text']}")
    if not all(mail["files"] for mail in mails):
        complain([fault("out", "text_alone")])
