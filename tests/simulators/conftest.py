"""Failed assertions in shared helpers show their values too."""

import pytest

pytest.register_assert_rewrite("tests.simulators.benches")
