"""`python -m scopedrift`, for when the command is not on the path."""

from scopedrift.experiments.cli import main

main()
