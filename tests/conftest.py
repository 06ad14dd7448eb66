"""What every test shares."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from hypothesis import settings

from bridge.project import Project, init

# No deadlines: a slow machine is no failure.
settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.fixture(autouse=True)
def _log_as_it_comes() -> Iterator[None]:
    """What one test set the log to is not the next one's: a level above warning would hide what that one looks for."""
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A site's own project folder, fresh from `init`."""
    folder = tmp_path / "project"
    init(folder)
    return Project(folder)
