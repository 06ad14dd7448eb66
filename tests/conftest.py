"""What every test shares."""

from pathlib import Path

import pytest
from hypothesis import settings

from bridge.project import Project, init

# No deadlines: a slow machine is no failure.
settings.register_profile("default", deadline=None)
settings.load_profile("default")


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A site's own project folder, fresh from `init`."""
    folder = tmp_path / "project"
    init(folder)
    return Project(folder)
