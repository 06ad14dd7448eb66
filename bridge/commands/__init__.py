"""Commands: a written point or a method call → a CALL to the station, and its result → points.

`table` makes the points and methods of every action from its JSON schema, `inputs` turns what was written
into a payload, `queue` sends it and shows how it ended.
"""
