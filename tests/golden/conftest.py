"""`pytest tests/golden --golden-write` writes the expected results anew."""

import pytest

pytest.register_assert_rewrite("tests.golden.oracle")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-write", action="store_true", help="write the expected results of tests/golden anew"
    )
