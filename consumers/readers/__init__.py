"""The readers: who asked for mail, what they want, and how they say so.

`people` is their bucket, `imports` and `lines` fill it from a file, `wishes` judges what somebody
asks for. The pages ask `office` (strangers), `own` (whom a letter has let in) and `leaving`; all
of them answer by `letters`, whose `links` say by themselves what they are for; `farewells` tell of
a change, whatever dies in between. May import: contracts, channels, producers.bus, and the ledger
and the notices beside it.
"""
