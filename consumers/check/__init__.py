"""Check Loa's promises: read everything, change nothing, name every violation.

One module per family of rules: `events` (accepted and not lost), `releases`, `positions` and
`approval` (released as accepted and as decided), `batches`, `plans` and `corrections` (the ledger
by itself, which `look` reads), `portal` and `articles` (what was shown). `rules.toml` says what
each rule means.
"""

from consumers.check.checker import Checker
from consumers.check.findings import STUCK_S, Findings, Rule, Skipped, Violation, load_rules

__all__ = ["STUCK_S", "Checker", "Findings", "Rule", "Skipped", "Violation", "load_rules"]
