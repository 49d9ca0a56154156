"""Local passwords: Argon2id off the event loop, two at once at most; rules for a new one."""

import asyncio
import secrets
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cache, partial
from importlib import import_module
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from consumers.messages import field_error
from consumers.staff.throttle import slowed
from contracts import text
from contracts.errors import FieldError, Invalid

_T = TypeVar("_T")
_MEMORY_KIB = 64 << 10
_TIME_COST = 3
_AT_ONCE = 2
_WAITING_MAX = 32
"""Hashes that wait for a thread: a second or two of work."""
_BUSY_S = 2.0
_MIN_LENGTH = 14
_MIN_LENGTH_WITH_SECOND_FACTOR = 8
_MAX_LENGTH = 128
_MIN_DISTINCT = 5
_MIN_NAME_LENGTH = 3
_FIELD = "password"
_OFFICE_WORDS = (
    *("bộ nội vụ", "nội vụ", "moha", "loa", "bàn duyệt", "trung tâm thông tin"),
    *("quản trị", "lãnh đạo", "biên tập", "mật khẩu", "thông báo", "zalo", "admin", "password"),
)
"""Words of the ministry, of Loa and of its roles: a password is not made of them alone."""
_ROWS = ("abcdefghijklmnopqrstuvwxyz", "0123456789", "qwertyuiop", "asdfghjkl", "zxcvbnm")
_LEAST_GUESSES = 10**10
"""As zxcvbn estimates them; eight characters of no pattern, the least beside an app, take 10^8."""
_LEAST_GUESSES_WITH_SECOND_FACTOR = 10**7
_ESTIMATED_LENGTH = 72
"""Characters whose guesses are estimated; the time grows with their square."""


def product_hasher() -> PasswordHasher:
    """Argon2id with 64 MiB, three passes and one lane."""
    return PasswordHasher(time_cost=_TIME_COST, memory_cost=_MEMORY_KIB, parallelism=1)


@dataclass
class Passwords:
    """Hashes and verifies; an absent hash costs the same work as a wrong password.

    Raises RateLimited while too many wait: a flood keeps a person waiting for seconds at most.
    """

    hasher: PasswordHasher = field(default_factory=product_hasher)

    def __post_init__(self) -> None:
        self.threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="password")
        self.absent = _hash_of_nothing(self.hasher)
        self.waiting = 0

    async def hash(self, password: str) -> str:
        """The encoded hash of *password*, with its salt and parameters."""
        return await self._run(partial(self.hasher.hash, _to_bytes(password)))

    async def verify(self, stored: str | None, password: str) -> bool:
        """Whether *password* is the one of *stored*; False, after the same work, without one."""
        known = stored or self.absent
        is_right = await self._run(partial(self._matches, known, _to_bytes(password)))
        return is_right and stored is not None

    def _matches(self, stored: str, password: bytes) -> bool:
        try:
            return self.hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], _T]) -> _T:
        if self.waiting >= _WAITING_MAX:
            raise slowed(_BUSY_S)
        self.waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self.threads, work)
        finally:
            self.waiting -= 1

    def close(self) -> None:
        self.threads.shutdown(wait=False)


def _to_bytes(password: str) -> bytes:
    """The composed form; a terminal may give bytes that are no UTF-8, as surrogates."""
    return text.nfc(password).encode("utf-8", "surrogatepass")


def _hash_of_nothing(hasher: PasswordHasher) -> str:
    """An encoded hash that no password has; to verify one costs as much as any other."""
    salt, digest = (
        b64encode(secrets.token_bytes(length)).decode().rstrip("=")
        for length in (hasher.salt_len, hasher.hash_len)
    )
    costs = f"m={hasher.memory_cost},t={hasher.time_cost},p={hasher.parallelism}"
    return f"$argon2id$v=19${costs}${salt}${digest}"


def password_rules(*, with_second_factor: bool) -> FieldError:
    """The rules for a new password, as they are told before it is chosen."""
    least = _MIN_LENGTH_WITH_SECOND_FACTOR if with_second_factor else _MIN_LENGTH
    return field_error(_FIELD, "password_rules", least=least, most=_MAX_LENGTH)


def check_new_password(
    password: str, own_words: Sequence[str], *, with_second_factor: bool
) -> None:
    """Check a new password. *own_words*: the account's names and unit. Raises Invalid."""
    if errors := list(_password_errors(text.nfc(password), own_words, with_second_factor)):
        raise Invalid(*errors)


def _password_errors(
    password: str, own_words: Sequence[str], with_second_factor: bool
) -> Iterator[FieldError]:
    least = _MIN_LENGTH_WITH_SECOND_FACTOR if with_second_factor else _MIN_LENGTH
    if len(password) < least:
        yield field_error(_FIELD, "password_short", least=least)
    if len(password) > _MAX_LENGTH:
        yield field_error(_FIELD, "password_long", most=_MAX_LENGTH)
    if _is_monotonous(text.name_key(password) or password):
        yield field_error(_FIELD, "password_monotonous")
    if _holds_own_word(password, own_words):
        yield field_error(_FIELD, "password_own_name")
    elif _is_common(password) or _holds_own_word(password, (*own_words, *_OFFICE_WORDS)):
        yield field_error(_FIELD, "password_common")
    elif _is_guessable(password, own_words, with_second_factor):
        yield field_error(_FIELD, "password_guessable")


def _is_guessable(password: str, own_words: Sequence[str], with_second_factor: bool) -> bool:
    """Whether zxcvbn, which has the words of this office, finds it with few guesses."""
    estimate = import_module("zxcvbn").zxcvbn
    folded = "".join(text.name_key(one) or one for one in password[:_ESTIMATED_LENGTH])
    words = [text.name_key(word) for word in (*_OFFICE_WORDS, *own_words)]
    least = _LEAST_GUESSES_WITH_SECOND_FACTOR if with_second_factor else _LEAST_GUESSES
    return bool(estimate(folded[:_ESTIMATED_LENGTH], user_inputs=words)["guesses"] < least)


def _is_common(password: str) -> bool:
    """Whether many people have this password, as breaches have shown; case does not count."""
    return password.casefold() in _common_passwords()


@cache
def _common_passwords() -> frozenset[str]:
    lists = import_module("zxcvbn.frequency_lists")  # a tenth of a second, when it is needed first
    return frozenset(lists.FREQUENCY_LISTS["passwords"])


def _is_monotonous(folded: str) -> bool:
    """Whether *folded* has few different characters, repeats a part, or follows the keyboard.

    After the end of a row, such as 9, it may begin again.
    """
    if len(set(folded)) < _MIN_DISTINCT:
        return True
    is_repeated = folded in (folded + folded)[1:-1]
    runs = (row * (len(folded) // len(row) + 2) for one in _ROWS for row in (one, one[::-1]))
    return is_repeated or any(folded in run for run in runs)


def _holds_own_word(password: str, own_words: Sequence[str]) -> bool:
    """Whether too little is left once the account's own words are removed."""
    left = text.name_key(password)
    keys = sorted({text.name_key(word) for word in own_words}, key=len, reverse=True)
    for key in keys:
        if len(key) >= _MIN_NAME_LENGTH:
            left = left.replace(key, "")
    if left == text.name_key(password):
        return False
    is_short = len(left) < _MIN_LENGTH_WITH_SECOND_FACTOR
    return is_short or _is_monotonous(left) or _is_common(left)
