"""Subscriptions and monitored items (OPC 10000-4 §5.13, §5.14).

`cycle` is the publishing state machine, `filters` and `event_filters` say what is reported, `items` queue it and
`subscription` makes messages of it: all of that is pure. `monitoring` makes the items, `service` has the timers,
`handlers` and `item_handlers` stand between them and the requests.
"""
