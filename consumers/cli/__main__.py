"""`python -m consumers.cli` is the `loa` command."""

from consumers.cli import main

main()
