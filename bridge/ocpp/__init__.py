"""OCPP-J without I/O: versions, frames, schemas, the RPC peer of one station, what commands take and give.

No clock, no socket and no event loop in here; `bridge.ocpp.server` adds them. What differs between the OCPP
versions stands in `versions`; the messages themselves come from the JSON schemas of the `ocpp` package.
"""
