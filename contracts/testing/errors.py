"""The error of a failed contract check."""

from contracts.errors import FieldError


class ContractBroken(AssertionError):
    """The event breaks the contract; `errors` names each field, in English and Vietnamese."""

    def __init__(self, status: int, errors: tuple[FieldError, ...]) -> None:
        lines = (f"  {error.field}: {error.message} ({error.message_vi})" for error in errors)
        super().__init__("\n".join((f"the door would answer {status}:", *lines)))
        self.status = status
        self.errors = errors
