"""Zalo's codes: each has the class that decides what happens to a row."""

import pytest

from channels.base import Verdict
from channels.zalo import codes
from channels.zalo.codes import Kind, Refused, judge
from channels.zalo.hours import Until
from channels.zalo.outcomes import outcome_of

NOON = 1_800_000_000.0 - 3 * 3600

OA = """
-32 Q  -100 C  -204 A  -205 A  -209 A  -210 C  -211 Q  -212 A  -213 U  -214 P  -216 T  216 T
401 T  -401 T  -217 U  -218 Q  -219 A  -220 T  -221 A  -224 A  -227 U  -230 U  -232 U  -233 C
-234 Q  -235 A  -237 A  -238 A  -239 R  -240 A  -241 A  -242 A  -244 U  -248 C  -249 C
-124 T  -320 A  -321 A  -403 C  -404 A  -1340 A  -1341 A  -200 R  -201 C  -223 A
"""
BUSINESS = """
-32 Q  -100 R  -101 A  -102 A  -103 A  -104 A  -105 A  -106 A  -107 C  -108 U  -109 A  -1091 A
-110 U  -111 C  -112 C  -1121 C  -1122 C  -1123 C  -1124 C  -113 C  -1131 C  -1132 C  -114 U
-115 A  -116 C  -117 A  -118 U  -119 U  -120 A  -1201 A  -1202 A  -121 A  -122 A  -123 A
-124 T  -216 T  216 T  401 T  -401 T  -220 T  -1241 A  -125 A  -126 A  -127 A  -128 A  -129 A
-130 C  -131 A  -132 C  -133 Q  -134 U  -135 A  -1351 A  -136 A  -137 A  -138 A  -1381 A
-139 U  -140 U  -141 U  -142 A  -143 A  -144 Q  -1441 Q  -145 A  -146 A  -147 Q  -1471 Q
-1472 Q  -148 C  -149 C  -1491 C  -150 C  -151 A  -152 A  -153 C  -158 C  -159 C  -160 Q
-161 A  -162 A  -404 A
"""


def expected(table: str) -> dict[int, Kind]:
    words = table.split()
    return {int(code): Kind(kind) for code, kind in zip(words[::2], words[1::2], strict=True)}


@pytest.mark.parametrize(("host", "table"), [(codes.OA, OA), (codes.BUSINESS, BUSINESS)])
def test_every_code_has_its_class(host, table):
    judged = {code: judge(host, code, "").kind for code in codes.table(host)}
    assert judged == expected(table)


@pytest.mark.parametrize(
    ("code", "words", "kind", "reason"),
    [
        (-32, "Your application reached limit call api", Kind.QUOTA, "app rate"),
        (-32, "Your OA reached limit call api", Kind.QUOTA, "oa rate"),
        (-200, "Send message failed", Kind.RETRY, ""),
        (-200, "Upload media failed", Kind.CONTENT, "cover"),
        (-200, "Too many failed attempts", Kind.RETRY, "cover attempts"),
        (-200, "POST not supported", Kind.OPERATOR, ""),
        (-201, "photo_url https://x is invalid!", Kind.CONTENT, "cover"),
        (-201, "cover value is invalid", Kind.CONTENT, "cover"),
        (-201, "title allow 1 to 150 characters", Kind.CONTENT, ""),
        (-201, "maximum limit is 10", Kind.OPERATOR, ""),
        (-201, "type accept only 2 value normal and video.", Kind.OPERATOR, ""),
        (-201, "token is invalid!", Kind.CONTENT, "token"),
        (-223, "OA has not authorized this API", Kind.OPERATOR, ""),
        (-223, "Your OA has reach the limit quota create article", Kind.QUOTA, "article quota"),
        (-240, "MessageV2 API is shut down", Kind.OPERATOR, "message call shut down"),
        (-240, "UserInfo API is shut down, switch to V3", Kind.OPERATOR, "user call shut down"),
        (-999, "Access token is invalid", Kind.TOKEN, ""),
        (-201, "access_token has expired", Kind.TOKEN, ""),
    ],
)
def test_the_words_decide_where_a_code_means_several_things(code, words, kind, reason):
    ruling = judge(codes.OA, code, words)
    assert (ruling.kind, ruling.reason) == (kind, reason)


def test_only_a_failed_send_is_ambiguous():
    assert judge(codes.OA, -200, "Send message failed").ambiguous
    assert not judge(codes.OA, -200, "Upload media failed").ambiguous
    assert judge(codes.BUSINESS, -100, "unknown").ambiguous


def test_an_unknown_code_fails_the_content_and_says_that_it_is_unknown():
    ruling = judge(codes.OA, -98765, "who knows")
    assert (ruling.kind, ruling.known) == (Kind.CONTENT, False)


@pytest.mark.parametrize("host", [codes.OA, codes.BUSINESS])
def test_every_operator_code_says_where_it_is_put_right(host):
    rulings = [ruling for entry in codes.table(host).values() for ruling in entry]
    assert all(ruling.fix for ruling in rulings if ruling.kind is Kind.OPERATOR)
    assert all(ruling.until for ruling in rulings if ruling.kind is Kind.QUOTA)


@pytest.mark.parametrize(
    ("kind", "verdict"),
    [
        (Kind.RETRY, Verdict.DEFERRED),
        (Kind.POLL, Verdict.DEFERRED),
        (Kind.QUOTA, Verdict.HELD),
        (Kind.TOKEN, Verdict.HELD),
        (Kind.OPERATOR, Verdict.HELD),
        (Kind.RECIPIENT, Verdict.FAILED),
        (Kind.CONTENT, Verdict.FAILED),
    ],
)
@pytest.mark.parametrize("host", [codes.OA, codes.BUSINESS])
def test_the_class_decides_the_verdict(host, kind, verdict):
    for code, rulings in codes.table(host).items():
        for ruling in rulings:
            if ruling.kind is kind:
                said = outcome_of(Refused("call", code, "", ruling), NOON, lambda: 0.0)
                assert said.verdict is verdict
                assert said.after_s is None or said.after_s > 0


@pytest.mark.parametrize(
    ("code", "words", "until"),
    [
        (-32, "", Until.MINUTE),
        (-234, "", Until.MORNING),
        (-211, "", Until.DAY),
        (-223, "quota", Until.MONTH),
    ],
)
def test_a_quota_waits_for_its_own_moment(code, words, until):
    assert judge(codes.OA, code, words).until is until
