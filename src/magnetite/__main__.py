"""`python -m magnetite`."""

from magnetite.cli import main

main()
