"""What is counted of a subscription for diagnostics (OPC 10000-5 §12.15)."""

from dataclasses import dataclass


@dataclass(slots=True)
class Counts:
    """`publish_requests` were answered for it; `overflows` are of data items' queues.

    `republished` of `republish_requests` were still there. `late`: it had something to say, and nobody had asked.

    `discarded` messages were never acknowledged, and `transfers` were to another client (`alternate`) or the same.
    """

    modified: int = 0
    enabled: int = 0
    disabled: int = 0
    republish_requests: int = 0
    republished: int = 0
    transfers: int = 0
    alternate: int = 0
    publish_requests: int = 0
    data_changes: int = 0
    events: int = 0
    late: int = 0
    discarded: int = 0
    overflows: int = 0
    event_overflows: int = 0
