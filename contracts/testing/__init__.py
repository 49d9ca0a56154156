"""Contract tests for other systems: check events before Loa does.

    from contracts.testing import check_event, sample

    def test_our_export_speaks_loa():
        check_event(our_system.export(article))          # bytes or dict, structured
        check_event(body, headers=request.headers)       # binary

`contracts.testing.plugin` (loaded by pytest when `loa-client` is installed) gives the same as
fixtures: `loa_check_event`, `loa_sample`, `loa_vocabulary`.
"""

from contracts.testing.check import check_event
from contracts.testing.errors import ContractBroken
from contracts.testing.samples import KIND_NAMES, sample

__all__ = ["KIND_NAMES", "ContractBroken", "check_event", "sample"]
