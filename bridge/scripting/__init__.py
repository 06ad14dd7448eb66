"""Loads and runs the handler scripts: what a site decides for itself.

`loading` makes a script out of a file, `calling` runs one of its methods within a time limit, `chain` asks
the scripts in order, and `runner` is what the rest of the bridge sees. Scripts are kept apart from the bridge
against faults, not against malice: they run with the bridge's own rights.
"""

from bridge.scripting.runner import InlineRunner, Runner

__all__ = ["InlineRunner", "Runner"]
