"""Digests: what a day or a week has brought, one mail for each reader who wants it so.

`calendar` says when one is due, `cut` gathers what the window holds, `book` keeps both in bucket
`digests`, `readers` says who gets which of its items, and `service` has it planned, and issued
again when a text in it changed meanwhile. `holdings` is how a correction finds the digests that
hold an older text. May import: contracts, producers.bus, and the ledger and planner beside it.
"""
