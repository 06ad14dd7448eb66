"""OCPP 2.0.1 and 2.1: what their messages mean. Pure: values in, values out, no I/O, the time as an argument."""
