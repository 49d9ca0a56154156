"""Check Loa's promises: read everything, change nothing, name every violation.

One module per family of rules: `events` (accepted and not lost), `releases` and `positions`
(released as accepted and as decided), `batches`, `plans`, `digests` and `case_notices` (the ledger,
which `ledger_pass` reads), `portal` and `zalo_articles` (shown as booked). `rules.toml` says what
each rule means.
"""
