"""The tree as an OPC UA server. What depends on asyncua's internals stands here and nowhere else.

From the wire: `connection` takes chunks out of bytes, `chunks` messages out of chunks, `processor` gives each
request to what answers it; `session_requests` and `sessions` say whose it is, `users` and `certificate` who that
may be. `services` reads, writes, calls and browses, `subscriptions` monitors; `wire` decodes, `encoding` encodes.
To the tree: `nodes` derives every node of a station from its layout when somebody asks, `typespace` those of the
types, `references` what Browse shows of them; `variants` turns values into OPC UA's types and back, `watch` tells
what changed, and `writer` is what the server writes to. `server` puts it together.
"""
