"""Zalo's codes as its own lists have them, each with its class and its details; written by hand.

An entry: the code, its class, then until when, for how many days, or where an operator corrects it.
Z marks codes that Zalo does not list, and that were met all the same.
"""

from dataclasses import dataclass
from datetime import datetime

import pytest

from channels.base import Outcome, Verdict
from channels.zalo.error_codes import ErrorKind
from contracts.text.moments import VIETNAM
from tests.support.zalo_account import NOON

OA = """
-32 Q minute; -100 C; -200 R ambiguous; -201 C; -204 A oa; -205 A oa; -209 A app; -210 C;
-211 Q day quota; -212 A api; -213 U 30; -214 P; -216 T; 216 T; 401 T; -401 T; -217 U 180;
-218 Q day; -219 A app; -220 T; -221 A oa; -223 A consent; -224 A package; -227 U 45; -230 U 30;
-232 U 30; -233 C; -234 Q morning; -235 A oa; -237 A group; -238 A group; -239 R; -240 A program;
-241 A group; -242 A proof; -244 U 30; -248 C standards; -249 C; -320 A money; -321 A money;
-403 C; -1340 A form; -1341 A form; -124 T Z; -404 A program Z
"""
BUSINESS = """
-100 R ambiguous; -101 A app; -102 A app; -103 A app; -104 A app; -105 A app; -106 A program;
-107 C; -108 U 90; -109 A template; -1091 A template; -110 U 30; -111 C; -112 C; -1121 C;
-1122 C; -1123 C; -1124 C; -113 C; -1131 C; -1132 C; -114 U 30; -115 A money; -116 C;
-117 A template; -118 U 90; -119 U 30; -120 A api; -1201 A template; -1202 A template;
-121 A program; -122 A program; -123 A program; -124 T; -1241 A proof; -125 A oa; -126 A money;
-127 A template; -128 A program; -129 A program; -130 C; -131 A template; -132 C; -133 Q morning;
-134 U 0; -135 A oa; -1351 A standards; -136 A money; -137 A money; -138 A api; -1381 A api;
-139 U 0; -140 U 0; -141 U 180; -142 A program; -143 A program; -144 Q day; -1441 Q month;
-145 A template; -146 A template; -147 Q day; -1471 Q month; -1472 Q day; -148 C; -149 C;
-1491 C; -150 C; -151 A template; -152 A program; -153 C; -158 C; -159 C; -160 Q day; -161 A api;
-162 A program; -32 Q minute Z; -216 T Z; 216 T Z; 401 T Z; -401 T Z; -220 T Z; -404 A program Z
"""
FIX = {
    "api": "developers.zalo.me > Ứng dụng > Official Account API",
    "app": "developers.zalo.me > Ứng dụng: the app must be active",
    "articles": "oa.zalo.me > Nội dung > Bài viết",
    "consent": "developers.zalo.me > Ứng dụng > Official Account > Quyền truy cập",
    "cover": "LOA_PUBLIC_URL",
    "form": "oa.zalo.me > Biểu mẫu",
    "group": "oa.zalo.me > Nhóm chat",
    "money": "account.zalo.cloud > Thanh toán",
    "oa": "oa.zalo.me > Quản lý > Thông tin tài khoản",
    "package": "oa.zalo.me > Quản lý > Gói dịch vụ",
    "program": "this program",
    "proof": "developers.zalo.me > Ứng dụng > Cài đặt: appsecret_proof",
    "quota": "oa.zalo.me > Quản lý > Gói dịch vụ: the quota",
    "standards": "oa.zalo.me > Thông báo",
    "template": "account.zalo.cloud > Template",
}
UNTIL = {
    "minute": (datetime(2027, 1, 15, 12, 1, tzinfo=VIETNAM), 2.5),
    "morning": (datetime(2027, 1, 16, 6, 5, tzinfo=VIETNAM), 300),
    "day": (datetime(2027, 1, 16, 0, 5, tzinfo=VIETNAM), 300),
    "month": (datetime(2027, 2, 1, 0, 5, tzinfo=VIETNAM), 300),
}
"""From noon on 15 January 2027, with half of the spread by chance."""
VERDICTS: dict[ErrorKind, tuple[Verdict, float | None]] = {
    ErrorKind.RETRY: (Verdict.DEFERRED, None),
    ErrorKind.POLL: (Verdict.DEFERRED, 10.0),
    ErrorKind.OPERATOR: (Verdict.HELD, 900.0),
    ErrorKind.TOKEN: (Verdict.HELD, 900.0),
    ErrorKind.RECIPIENT: (Verdict.SUPPRESSED, None),
    ErrorKind.CONTENT: (Verdict.FAILED, None),
}
DAY_S = 86400
UNLISTED = "Z"


@dataclass(frozen=True)
class CodeRow:
    """One code of the tables."""

    code: int
    kind: ErrorKind
    details: tuple[str, ...]

    @classmethod
    def read(cls, line: str) -> "CodeRow":
        code, kind, *rest = line.split()
        return cls(int(code), ErrorKind(kind), tuple(word for word in rest if word != UNLISTED))

    def __str__(self) -> str:
        return str(self.code)

    @property
    def fix(self) -> str:
        """The operator's instruction; empty for none."""
        named = [FIX[word] for word in self.details if word in FIX]
        return named[0] if named else FIX["consent"] if self.kind is ErrorKind.TOKEN else ""

    @property
    def is_ambiguous(self) -> bool:
        return "ambiguous" in self.details

    @property
    def outcome(self) -> tuple[Verdict, float | None]:
        """The row's outcome, and the time of the next attempt."""
        if self.is_ambiguous:
            return Verdict.DOUBT, None
        if self.kind is ErrorKind.QUOTA:
            moment, spread_s = UNTIL[self.details[0]]
            return Verdict.HELD, moment.timestamp() - NOON + spread_s
        return VERDICTS[self.kind]

    def check(self, outcome: Outcome) -> None:
        """Assert that *outcome*, which came at noon, is the one of this code."""
        verdict, after_s = self.outcome
        assert outcome.verdict is verdict, outcome
        assert after_s is None or outcome.retry_after_s == pytest.approx(after_s, abs=5)
        if self.kind is ErrorKind.RECIPIENT:
            assert outcome.mute_s == DAY_S * int(self.details[0])


def code_rows(table: str) -> list[CodeRow]:
    return [CodeRow.read(entry) for entry in table.split(";")]
