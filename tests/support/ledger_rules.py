"""The rules that the ledger's moves are tried by, from one moment on."""

from consumers.ledger.entry import TimeRules

NOW = 1_800_000_000.0
RULES = TimeRules(lease_s=60, settle_s=90, give_up_at=NOW + 3600)
