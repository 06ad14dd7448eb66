"""`make bench-opcua`: our OPC UA server beside asyncua's and node-opcua's, with one client and one load.

The client speaks the binary protocol by itself (`wire`, `services`) and looks into what it gets only after the
clock has stopped, so that it is never what the figures measure. Every server runs in a process of its own, with
the same stations of 200 points, and is told over a pipe what to do (`hosting`).
"""
