"""The tree as an OPC UA server. What depends on asyncua's internals stands here and nowhere else.

`nodes` derives every node of a station from its layout when somebody asks; `variants` turns values into
OPC UA's types and back; `address_space`, `views` and `services` answer clients, `watch` tells subscriptions
what changed, `processor` lets method calls wait without holding up their connection, `users` and
`certificate` say who may do what, `server` puts it together. `writer` is what the server writes to.
"""
