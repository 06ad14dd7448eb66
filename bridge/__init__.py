"""ocpp-bridge: OCPP charging stations as data points on an OPC UA server."""

__version__ = "0.1.0"
#: when this version was released, ISO 8601; goes up together with it
RELEASED = "2026-11-21T00:00:00Z"
