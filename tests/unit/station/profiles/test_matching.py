"""Which profile a station gets, and which identity."""

import pytest

from bridge.station.profiles.profile import Make, Match, Profile, Profiles, make_of


def profile(name: str, **patterns: tuple[str, ...]) -> Profile:
    return Profile(name=name, match=Match(**patterns))


PROFILES = Profiles(
    [
        profile("any"),
        profile("acme", vendor=("ACME*",)),
        profile("acme-one", vendor=("ACME*",), model=("One*", "Uno")),
        profile("acme-old", vendor=("*",), model=("One",), firmware=("1.*",)),
        profile("acme-x", vendor=("acme x",)),
        Profile(name="by-name-only"),
    ]
)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Make("Other", "One", "2.0"), "any"),
        (Make(), "any"),
        (Make("ACME", "Two", "2.0"), "acme"),
        (Make("acme gmbh", "Two", "2.0"), "acme"),
        (Make("ACME", "one plus", "2.0"), "acme-one"),
        (Make("ACME", "Uno", ""), "acme-one"),
        (Make("ACME", "One", "1.9"), "acme-one"),  # more characters than model and firmware of acme-old have
        (Make("Other", "One", "1.9"), "acme-old"),
        (Make("ACME X", "Two", ""), "acme-x"),
    ],
)
def test_the_most_specific_profile_that_fits_is_taken(make, name):
    assert PROFILES.match(make).name == name


def test_of_two_alike_the_first_by_name_is_taken():
    assert Profiles([profile("b", vendor=("A*",)), profile("a", vendor=("*A",))]).match(Make("A")).name == "a"


def test_a_profile_without_a_match_fits_nobody():
    assert Profiles([Profile(name="own")]).match(Make("A", "B", "C")) is None


@pytest.mark.parametrize(
    ("boot", "make"),
    [
        ({"chargePointVendor": "V ", "chargePointModel": "M", "firmwareVersion": "1"}, Make("V", "M", "1")),
        ({"chargingStation": {"vendorName": "V", "model": "M", "firmwareVersion": "1"}}, Make("V", "M", "1")),
        ({"chargingStation": {"vendorName": 5, "model": None}}, Make()),
        ({}, Make()),
    ],
)
def test_what_a_station_says_that_it_is(boot, make):
    assert make_of(boot) == make


@pytest.mark.parametrize(
    ("connects_as", "identity"),
    [
        (" cp-7 ", "SEVEN"),
        ("CP-8", "Station 8"),
        ("cp-north-8", "North 8"),  # the longer pattern
        ("cp-", None),
        ("other", None),
    ],
)
def test_an_identity_that_a_profile_gives(connects_as, identity):
    identities = {"CP-7": "SEVEN", "cp-*": "Station *", "CP-north-*": "North *"}
    assert Profiles([Profile(name="a", identities=identities)]).identity(connects_as) == identity
