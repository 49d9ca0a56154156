"""Passwords: Argon2id with the parameters asked for, and rules that name what is wrong."""

import asyncio
import threading

import pytest
from argon2 import PasswordHasher, Type

from consumers.staff import passwords as passwords_module
from consumers.staff.passwords import Passwords, check_new_password, product_hasher
from contracts.errors import Invalid, RateLimited

CHEAP = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
OWN = ("nguyen-van-an", "van-phong-bo", "Nguyễn Văn An", "Nguyễn", "Văn", "An")


def test_the_product_hashes_with_64_mib_three_times():
    hasher = product_hasher()
    assert (hasher.memory_cost, hasher.time_cost, hasher.parallelism) == (65536, 3, 1)
    assert hasher.type is Type.ID


async def test_a_password_is_right_in_any_unicode_form_and_nothing_else_is():
    passwords = Passwords(CHEAP)
    stored = await passwords.hash("mật khẩu của tôi")
    assert stored.startswith("$argon2id$") and "của" not in stored
    assert await passwords.verify(stored, "mật khẩu của tôi")
    assert not await passwords.verify(stored, "mat khau cua toi")
    assert not await passwords.verify("no hash", "mật khẩu của tôi")
    assert not await passwords.verify(stored, "mật khẩu\udcff"), "bytes that are no UTF-8"


async def test_an_absent_password_costs_one_hash_and_is_never_right():
    class Counted(PasswordHasher):
        hashed = verified = 0

        def hash(self, password, *, salt=None):
            self.hashed += 1
            return super().hash(password, salt=salt)

        def verify(self, hash, password):
            self.verified += 1
            assert super().verify(hash, password)

    hasher = Counted(time_cost=1, memory_cost=8, parallelism=1)
    passwords = Passwords(hasher)
    for given in ("", "x", "anything"):
        assert not await passwords.verify(None, given)
    assert (hasher.verified, hasher.hashed) == (3, 0), "also in a process's first attempt"


async def test_two_passwords_at_most_are_hashed_at_once_and_the_loop_goes_on():
    class Slow(PasswordHasher):
        running, most = 0, 0
        lock, gate = threading.Lock(), threading.Event()

        def hash(self, password, *, salt=None):
            with self.lock:
                type(self).running += 1
                type(self).most = max(self.most, self.running)
            self.gate.wait(10)
            with self.lock:
                type(self).running -= 1
            return "x"

    passwords = Passwords(Slow())
    work = [asyncio.ensure_future(passwords.hash("x")) for _ in range(6)]
    while Slow.running < 2:
        await asyncio.sleep(0)
    assert not any(one.done() for one in work), "the loop is free while both threads work"
    Slow.gate.set()
    await asyncio.gather(*work)
    assert Slow.most == 2


async def test_a_flood_of_attempts_does_not_queue_without_bound(monkeypatch):
    class Held(PasswordHasher):
        gate = threading.Event()

        def verify(self, hash, password):
            return self.gate.wait(10)

    monkeypatch.setattr(passwords_module, "_WAITING_MAX", 4)
    passwords = Passwords(Held())
    work = [asyncio.ensure_future(passwords.verify("x", "y")) for _ in range(10)]
    done, pending = await asyncio.wait(work, return_when=asyncio.FIRST_COMPLETED)
    assert (len(done), len(pending)) == (6, 4)
    assert {type(one.exception()) for one in done} == {RateLimited}
    Held.gate.set()
    await asyncio.gather(*pending)
    assert await passwords.verify("x", "y")


@pytest.mark.parametrize(
    ("password", "has_second", "words"),
    [
        ("ngắn", True, "at least 8"),
        ("bảy chữ", True, "at least 8"),
        ("mười ba chữ x", False, "at least 14"),
        ("x" * 20 + "yz", False, "repeats"),
        ("matkhau1matkhau1", False, "repeats"),
        ("qwertyuiop", True, "keyboard"),
        ("0987654321", True, "keyboard"),
        ("abcdefghijklmnop", False, "alphabet"),
        ("Nguyễn Văn An 123", False, "name or unit"),
        ("NGUYENVANAN2026", False, "name or unit"),
        ("van-phong-bo-1", False, "name or unit"),
        ("dài" * 60, True, "at most 128"),
        ("trustno1", True, "many people have"),
        ("Liverpool", True, "many people have"),
        ("BộNộiVụ2026", True, "anyone tries here first"),
        ("loa-admin-2026", False, "anyone tries here first"),
        ("123456789012345", False, "keyboard"),
        ("98765432109876", False, "keyboard"),
        ("poiuytrewqpoiuy", False, "keyboard"),
        ("matkhau12345678", False, "anyone tries here first"),
        ("MatKhau@12345678", True, "anyone tries here first"),
        ("bonoivu12345678", False, "anyone tries here first"),
        ("loa123456789012", False, "anyone tries here first"),
        ("hanoi-12345678", False, "easy to guess"),
        ("Qwertyuiop@2026", False, "easy to guess"),
        ("iloveyou19850112", False, "easy to guess"),
        ("Abc@12345678", True, "easy to guess"),
    ],
)
def test_a_weak_password_is_refused_with_a_reason(password, has_second, words):
    with pytest.raises(Invalid) as wrong:
        check_new_password(password, OWN, with_second_factor=has_second)
    assert any(words in error.message for error in wrong.value.errors), wrong.value
    assert {error.field for error in wrong.value.errors} == {"password"}
    assert password not in str(wrong.value)


@pytest.mark.parametrize(
    ("password", "has_second"),
    [
        ("tám ký tự", True),
        ("mưa rơi trên mái ngói đỏ", False),
        ("An và con mèo tam thể đi chợ", False),
        ("correct horse battery staple", False),
        ("X7#kd02!pQ", True),
        ("kx9mq2tb", True),
        ("8#v!Rk2$Lq@7z%", False),
        ("Loa phát tin lúc gà gáy", False),
    ],
)
def test_a_good_password_is_taken(password, has_second):
    check_new_password(password, OWN, with_second_factor=has_second)


def test_over_3000_common_passwords_of_permitted_length_are_known():
    assert sum(len(one) >= 8 for one in passwords_module._common_passwords()) > 3000
