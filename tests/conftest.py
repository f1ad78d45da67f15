"""Faults that are known and not mended yet: each test here fails today, and says what it should do.

A test that passes again must leave the list.
"""

import pytest

KNOWN_FAULTS = frozenset(
    {
        "test_export.py::test_cell_that_cannot_be_exported",
        "test_export.py::test_weights_are_kept_once",
        "test_export.py::test_weights_that_are_no_numbers",
        "test_graph.py::test_names_are_fresh",
        "test_modelfile.py::test_damaged_numbers_of_the_graph_run_or_are_refused",
        "test_modelfile.py::test_document_rule",
        "test_schema.py::test_any_other_value_is_taken_or_refused_in_one_line",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expects the known faults to fail."""
    for item in items:
        name = getattr(item, "originalname", item.name)
        if f"{item.path.name}::{name}" in KNOWN_FAULTS:
            item.add_marker(pytest.mark.xfail(reason="known fault", strict=False))
