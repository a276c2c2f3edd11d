"""A server that somebody may look at, and what it has to show: tests that need another one have their own."""

import pytest

from tests.flowlab.watch.hub import Hub
from tests.flowlab.web.viewing import looked_at


@pytest.fixture
def hub(tmp_path):
    one = Hub(tmp_path / "runs")
    yield one
    one.close()


@pytest.fixture
def web(tmp_path, hub):
    with looked_at(tmp_path, hub) as one:
        yield one
