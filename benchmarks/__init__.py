"""What the figures of the README come from: `python -m benchmarks`, or one of them: `python -m benchmarks ocpp`.

    ocpp      CPU per OCPP call, beside a central system made of `ocpp` and `websockets`
    memory    memory of a station's points, beside the nodes of asyncua
    latency   from a station's frame to the DataChange at a subscribed OPC UA client
    write     from an OPC UA write to the CALL at the station
    stations  1,000 stations: memory and CPU of the bridge

The bridge runs as a user's does: `ocpp-bridge run` on a project folder that `init` made. Its peers run in
processes of their own, and so do the stations, which are raw websockets that send frames made beforehand.
"""
