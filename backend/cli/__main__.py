"""`python -m backend.cli` is `restage`."""

from backend.cli.main import main

main()
