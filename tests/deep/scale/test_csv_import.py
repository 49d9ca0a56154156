"""A CSV file of twenty thousand subscribers."""

from tests.consumers.subscribers.test_csv_import import counts, import_lines

__all__ = ["import_lines"]


async def test_twenty_thousand_lines_are_taken_at_once(bus, import_lines):
    lines = [f"nguoi-{n}@example.com,Người thứ {n},viec-lam,cong-dan,," for n in range(20_000)]
    assert counts(await import_lines(*lines)) == (20_000, 0, 0, 0)
