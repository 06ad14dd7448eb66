"""A short bad day; `make chaos` is the long one."""

import logging

import pytest

from tests.chaos.world import World


@pytest.mark.timeout(1200)
async def test_nothing_acknowledged_is_lost_in_ten_lives_of_the_bridge(tmp_path, caplog):
    """L05, L06, D01, D02, D04, D05, B07, B10, J14, J16, J24, U29, U30"""
    caplog.set_level(logging.CRITICAL, logger="asyncua")  # the client complains of each lost connection
    world = World(tmp_path / "site", seed=1, show=print)
    await world.run(10)
    assert world.counts["transactions of 1.6"] > 10
    assert world.counts["events of 2.x"] > 10
    assert world.counts["calm"] > 0
