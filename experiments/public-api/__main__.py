"""`python -m scopedrift`, where the command itself is not on the path."""

from scopedrift.experiments.cli import main

main()
