"""Errors of sessions.

Unauthorized
  ProviderSessionEnded    the identity provider has ended the session that this one comes from
"""

from consumers.messages import field_error
from contracts.errors import Unauthorized


class ProviderSessionEnded(Unauthorized):
    """The session would outlive the one at the identity provider."""

    def __init__(self) -> None:
        super().__init__(field_error("login", "sign_in_first"))
