"""Faults that are known and not mended yet: each test here fails today, and says what it should do.

A test that passes again must leave the list.
"""

import pytest

KNOWN_FAULTS = frozenset(
    {
        "test_corpus.py::test_short_texts_go_round",
        "test_datasets.py::test_offline",
        "test_export.py::test_cell_that_cannot_be_exported",
        "test_export.py::test_weights_are_kept_once",
        "test_export.py::test_weights_that_are_no_numbers",
        "test_graph.py::test_names_are_fresh",
        "test_labelled.py::test_glob",
        "test_labelled.py::test_half_a_header_is_no_row",
        "test_labelled.py::test_half_a_surrogate_pair",
        "test_labelled.py::test_long_text",
        "test_labelled.py::test_missing",
        "test_labelled.py::test_refused",
        "test_modelfile.py::test_damaged_numbers_of_the_graph_run_or_are_refused",
        "test_modelfile.py::test_document_rule",
        "test_plots.py::test_any_label_can_be_drawn",
        "test_plots.py::test_many_labels_stay_within_bounds",
        "test_schema.py::test_any_other_value_is_taken_or_refused_in_one_line",
        "test_sources.py::test_missing",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expects the known faults to fail."""
    for item in items:
        name = getattr(item, "originalname", item.name)
        if f"{item.path.name}::{name}" in KNOWN_FAULTS:
            item.add_marker(pytest.mark.xfail(reason="known fault", strict=False))
