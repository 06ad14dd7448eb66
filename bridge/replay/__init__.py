"""Replays recordings: frames of stations through peer, scripts and tree, without a station and without the network.

`lines` reads recordings, `comparing` says what of an answer is another one than was recorded, `world` is a bridge
without its servers, and `player` runs a recording through it.
"""

from bridge.replay.lines import Line, read_recording
from bridge.replay.player import Player, Step
from bridge.replay.world import World

__all__ = ["Line", "Player", "Step", "World", "read_recording"]
