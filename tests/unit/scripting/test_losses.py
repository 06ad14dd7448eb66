"""Which script is not asked about which station, because its process did not outlive it (H11)."""

from bridge.scripting.losses import LOSSES, SCRIPT_WITHIN, WITHIN, Losses

BAD = ("site.py", "BAD")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def losses(clock: Clock, limit: int = 10) -> Losses:
    return Losses(limit=limit, pause=60, monotonic=clock)


def test_answers_between_losses_make_nothing_good_but_time_does() -> None:
    clock = Clock()
    found = losses(clock)
    for _ in range(LOSSES - 1):
        assert found.count({BAD}) == ([], [])
        found.answered(*BAD)
    clock.now += WITHIN + 1
    assert found.count({BAD}) == ([], [])
    for _ in range(LOSSES - 2):
        assert found.count({BAD}) == ([], [])
    assert found.count({BAD}) == ([BAD], [])
    assert (found.is_off(*BAD), found.is_off("site.py", "GOOD"), found.is_off("other.py", "BAD")) == (
        True,
        False,
        False,
    )


def test_it_is_tried_again_after_the_pause_and_with_a_new_version() -> None:
    clock = Clock()
    found = losses(clock)
    for _ in range(LOSSES):
        found.count({BAD})
    clock.now += 61
    assert not found.is_off(*BAD)
    for _ in range(LOSSES):
        found.count({BAD})
    assert found.is_off(*BAD)
    found.forget("site.py")
    assert not found.is_off(*BAD)


def test_a_script_reaches_its_limit_with_many_stations_within_a_minute() -> None:
    clock = Clock()
    found = losses(clock, limit=3)
    for number in range(2):
        assert found.count({("site.py", f"S{number}")}) == ([], [])
    clock.now += SCRIPT_WITHIN + 1
    for number in range(2, 4):
        assert found.count({("site.py", f"S{number}")}) == ([], [])
    assert found.count({("site.py", "S4")}) == ([], ["site.py"])


def test_no_limit_means_never() -> None:
    found = losses(Clock(), limit=0)
    assert all(found.count({BAD}) == ([], []) for _ in range(50))
    assert not found.is_off(*BAD)
    found.suspect({BAD})
    assert found.caution(*BAD) > 0, "others wait no longer for that"


def test_caution_is_for_the_suspect_and_for_those_not_yet_answered_by_a_script_that_costs_processes() -> None:
    clock = Clock()
    found = losses(clock)
    assert found.caution("site.py", "NEW") == 0
    found.answered("site.py", "GOOD")
    found.suspect({BAD})
    assert found.caution(*BAD) > found.caution("site.py", "NEW") > 0
    assert found.caution("site.py", "GOOD") == found.caution("other.py", "NEW") == 0
    found.answered(*BAD)
    assert found.caution(*BAD) == 0
    clock.now += SCRIPT_WITHIN + 1
    assert found.caution("site.py", "NEW") == 0
    found.suspect({BAD})
    found.forget("site.py")
    assert found.caution(*BAD) == found.caution("site.py", "NEW") == 0


def test_a_loss_without_a_station_counts_for_the_script() -> None:
    found = losses(Clock(), limit=3)
    assert [found.count({("site.py", "")})[1] for _ in range(3)] == [[], [], ["site.py"]]
    assert not found.is_off("site.py", "")
