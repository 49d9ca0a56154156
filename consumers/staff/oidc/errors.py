"""Why a sign-in with the identity provider, or its logout, was refused.

Unauthorized
  OidcRefused             an answer or a token breaks a rule; `reason` names the rule
    PersonUnknown         all is right, but no account is linked to the person
Unavailable
  ProviderUnavailable     no usable answer of the provider itself: try again
"""

from enum import StrEnum

from consumers.messages import field_error
from contracts.errors import Unauthorized, Unavailable

_FIELD = "oidc"
_RETRY_AFTER_S = 10.0


class Reason(StrEnum):
    """The rule that was broken; the value is for logs and for the person's page."""

    TRANSACTION = "transaction"  # no cookie of a sign-in that began here, or too old
    STATE = "state"
    DENIED = "denied"
    PROVIDER_ERROR = "provider_error"
    RESPONSE_ISSUER = "response_issuer"  # RFC 9207: another provider answered
    CODE_MISSING = "code_missing"
    CODE_REFUSED = "code_refused"
    TOKEN_RESPONSE = "token_response"  # noqa: S105 -- a reason
    MALFORMED = "malformed"
    ALGORITHM = "algorithm"
    KEY_UNKNOWN = "key_unknown"
    SIGNATURE = "signature"
    TYPE = "type"
    ISSUER = "issuer"
    AUDIENCE = "audience"
    AUTHORIZED_PARTY = "authorized_party"
    SUBJECT = "subject"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    ISSUED_AT = "issued_at"
    NONCE = "nonce"
    ACCESS_TOKEN_HASH = "access_token_hash"  # noqa: S105 -- a reason
    AUTH_TIME = "auth_time"
    AUTH_LEVEL = "auth_level"
    OTHER_PERSON = "other_person"
    ACCOUNT = "account"  # not active
    SIGNED_OUT = "signed_out"  # the provider ended the session meanwhile
    REPLAYED = "replayed"
    EVENT = "event"
    TOKEN_ID = "token_id"  # noqa: S105 -- a reason
    SESSION_ID = "session_id"


class ProviderFault(StrEnum):
    """Why the provider could not be used; the value is for logs."""

    ADDRESS = "address"
    NO_ANSWER = "no_answer"
    TOO_SLOW = "too_slow"
    NOT_SECURE = "not_secure"
    STATUS = "status"
    MEDIA_TYPE = "media_type"
    TOO_LARGE = "too_large"
    MALFORMED = "malformed"
    ISSUER = "issuer"
    ENDPOINT = "endpoint"
    NO_PKCE = "no_pkce"
    NO_KEYS = "no_keys"
    CLIENT_REFUSED = "client_refused"


class OidcRefused(Unauthorized):
    """An answer or a token breaks a rule. The person's page shows only the rule's name."""

    text = "oidc_refused"

    def __init__(self, reason: Reason) -> None:
        super().__init__(field_error(_FIELD, self.text, reason=reason.value))
        self.reason = reason


class PersonUnknown(OidcRefused):
    """The provider vouches for a person whom no account is linked to."""

    text = "oidc_person_unknown"

    def __init__(self) -> None:
        super().__init__(Reason.ACCOUNT)


class ProviderUnavailable(Unavailable):
    """The provider gave no usable answer."""

    def __init__(self, fault: ProviderFault) -> None:
        error = field_error(_FIELD, "oidc_unavailable", reason=fault.value)
        super().__init__(error, retry_after_s=_RETRY_AFTER_S)
        self.fault = fault
