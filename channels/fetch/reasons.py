"""Why nothing was fetched."""

from enum import StrEnum


class Why(StrEnum):
    """The name is a code, for those who word it; the value is for logs: no address, no text."""

    NOT_AN_ADDRESS = "not a web address"
    USER_NAME = "a user name in the address"
    PORT = "another port than 80 or 443"
    NOT_PUBLIC = "not a public address"
    NUMBER = "a number for a host"
    INNER_NAME = "a name of an inner network"
    TOO_OFTEN = "moved too often"
    UNENCRYPTED = "moved from https to http"
    STATUS = "http"
    MEDIA_TYPE = "another media type"
    PACKED = "packed"
    TOO_LARGE = "too large"
    CUT_SHORT = "cut short"
    TOO_SLOW = "too slow"
    UNKNOWN_HOST = "unknown host"
    NOT_SECURE = "no secure connection"
    NO_ANSWER = "no answer"

    @property
    def code(self) -> str:
        return self.name.lower()
