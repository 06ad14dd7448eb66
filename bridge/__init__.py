"""ocpp-bridge: OCPP charging stations as data points on an OPC UA server."""

__version__ = "0.1.0"
