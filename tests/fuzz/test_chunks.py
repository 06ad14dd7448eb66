"""A short run of what `make fuzz` does at length, without its fuzzer: requests with bytes changed at random."""

import base64
import random
from collections.abc import Iterator

import pytest
import structlog

from tests.fuzz import chunks

#: what the fuzzer has found before
FOUND = ("Mv////8AAPwA/P///2n///9pACo=",)  # texts of negative length: the server read the same bytes for ever


@pytest.fixture(scope="module")
def target() -> Iterator[chunks.Target]:
    before = structlog.get_config()
    made = chunks.Target()
    yield made
    made.close()
    structlog.configure(**before)


@pytest.mark.parametrize("found", FOUND)
def test_what_was_found_before_is_a_fault_and_nothing_more(target: chunks.Target, found: str) -> None:
    """L09, U26"""
    target(base64.b64decode(found))


@pytest.mark.parametrize("seed", range(4))
def test_changed_requests_are_answered_and_the_server_goes_on(target: chunks.Target, seed: int) -> None:
    """L09, U26"""
    rng = random.Random(seed)  # noqa: S311 - to be repeated, not to be secret
    corpus = list(chunks.corpus())
    for _ in range(400):
        data = bytearray(rng.choice(corpus))
        for _ in range(rng.randint(1, 4)):
            at = rng.randrange(len(data) + 1)
            data[at : at + rng.randint(0, 2)] = rng.randbytes(rng.randint(0, 4))
        target(bytes(data or b"\0"))
