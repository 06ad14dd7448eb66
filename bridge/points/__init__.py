"""The tree of data points: rows, values, quality, units. Knows neither OCPP nor OPC UA.

`rows` is what a point is, `table` reads the rows from datapoints/*.yaml, `layout` is the immutable table
that all stations of one kind share, `tree` holds the values, `values` turns what a station sent into a
point's type, `units` and `measurands` do so for meter values.
"""
