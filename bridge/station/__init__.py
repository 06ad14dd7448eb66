"""Stations: what the bridge knows of each, and one session per connection.

`registry` holds all stations, `session` is one connection, `v16` what is OCPP 1.6's own, `model` the layouts
and bindings of a version, `configuration` the Configuration.* points, `scripted` what a script sees.
"""
