"""Sign-up applications, shared by pages and services."""

from contracts.base.fields import Contract

SUPPRESSION_FIELD = "left_alone"
"""Key in exported data: why no mail is sent to the address, since when and until when."""


class SignupApplication(Contract):
    """The fields of a sign-up form as entered; nothing is stored before the confirmation."""

    email: str = ""
    name: str = ""
    topics: tuple[str, ...] = ()
    audiences: tuple[str, ...] = ()
    units: tuple[str, ...] = ()
    frequency: str = ""
    version: str = ""
    """Version of the consent text that was agreed to."""
    ip: str = ""
    """IP address of the request; the pages pass it on, services keep a keyed hash only."""
