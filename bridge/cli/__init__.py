"""The command line: `ocpp-bridge run`, `demo`, `simulate`, `init`, `check`, `points`, `stations` and so on.

What a program may read (addresses, tables, CSV, JSON) goes to stdout, everything else to stderr.
Exit codes: 0 done, 1 failed, 2 a mistake of the user, in the command or in the project.
"""

from bridge.cli.program import main

__all__ = ["main"]
