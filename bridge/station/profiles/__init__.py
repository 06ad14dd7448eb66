"""Profiles: what stations of one make need to be told, and what has to be overlooked in what they say. Pure."""
