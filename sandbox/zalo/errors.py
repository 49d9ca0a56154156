"""Errors of the sandbox."""


class ApiError(Exception):
    """An error in Zalo's envelope."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
