"""Facts that the folder of a sample ministry keeps, so that it can be opened again."""

import base64
import time
from pathlib import Path

from pydantic import BaseModel, ValidationError

from consumers.cli.sample.ministry import SampleMinistry
from consumers.staff import totp
from contracts.staff.sign_in import text_secret


class KeptPerson(BaseModel):
    """An account that signs in."""

    login: str
    name: str
    has_totp: bool


class KeptSample(BaseModel):
    """The accounts of a filled ministry and how they sign in; `key`: of the one-time codes.

    `port`: the public one, to which links in its texts lead; 0: not known.
    """

    people: tuple[KeptPerson, ...]
    password: str
    key: str
    port: int = 0

    @classmethod
    def of(cls, ministry: SampleMinistry) -> "KeptSample":
        people = (
            KeptPerson(login=one.login, name=one.name, has_totp=one.has_totp)
            for one in ministry.people
        )
        password, secret = ministry.credentials
        return cls(people=tuple(people), password=password, key=text_secret(secret))

    @classmethod
    def read(cls, file: Path) -> "KeptSample | None":
        """The ministry of a folder; None where none was filled to its end."""
        try:
            return cls.model_validate_json(file.read_bytes())
        except (FileNotFoundError, ValidationError):
            return None

    def write(self, file: Path) -> None:
        """Keep it for its owner alone; an interrupted write leaves the earlier file."""
        draft = file.with_suffix(".draft")
        draft.touch(mode=0o600)
        draft.write_text(self.model_dump_json(), "utf-8")
        draft.replace(file)

    def code(self) -> str:
        """The one-time code of this moment."""
        secret = base64.b32decode(self.key)
        return totp.one_time_code(secret, totp.current_step(time.time()))
