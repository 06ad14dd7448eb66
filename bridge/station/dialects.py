"""What is a version's own, by its name."""

from collections.abc import Mapping, Sequence
from functools import cache

from bridge.ocpp.schemas import schemas
from bridge.ocpp.telegrams import telegram_decoder
from bridge.ocpp.typed import CallDecoder, call_decoder
from bridge.station import v16, v201
from bridge.station.context import Dialect
from bridge.station.model import Model

DIALECTS: Mapping[str, Dialect] = {v16.VERSION: v16, "2.0.1": v201, "2.1": v201}


@cache
def quick_decoders(model: Model) -> Sequence[tuple[str, CallDecoder]]:
    """What decodes the messages of the quick way: those that no row of the table speaks of."""
    bound = [
        bindings
        for part in (model.station, model.connector)
        for bindings in (part.bindings.requests, part.bindings.responses)
    ]
    return tuple(
        (f'"{action}"', telegram_decoder(call_decoder(action, schemas(model.version).request(action))))
        for action in DIALECTS[model.version.name].QUICK
        if not any(action in bindings for bindings in bound)
    )
