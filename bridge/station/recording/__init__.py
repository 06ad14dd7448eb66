"""Recordings: the frames of chosen stations as lines of JSON, for whoever asks for them while the bridge runs.

`masking` takes secrets out of a frame, `recorder` hears the stations' sessions, `service` hands the lines to the
command line through a socket in the project's folder.
"""
