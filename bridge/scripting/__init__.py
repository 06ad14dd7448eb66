"""Loads and runs the handler scripts: what a site decides for itself.

`sources` reads the files, `loading` makes scripts out of them, `calling` runs one method, `outcome` says what became
of it. `chain` asks the scripts in order; `states` counts what fails, `losses` what costs others time. `host` is where
they run: in the bridge (`inline`) or in processes (`hosting` keeps them, `remote` and `process` are the bridge's side
of one, `worker` its own, `wire` and `claims` what is between them).
`runner` is what the rest of the bridge sees. Scripts are kept apart from the bridge against faults, not against
malice: they run with the bridge's own rights.
"""

from bridge.scripting.runner import Runner

__all__ = ["Runner"]
