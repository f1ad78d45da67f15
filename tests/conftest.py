"""Faults that are known and not mended yet: each test here fails today, and says what it should do.

A test that passes again must leave the list.
"""

import pytest

KNOWN_FAULTS = frozenset(
    {
        "test_cli.py::test_graph_that_fails_when_run_is_told_in_one_line",
        "test_corpus.py::test_short_texts_go_round",
        "test_datasets.py::test_offline",
        "test_fuzz.py::test_graphs_that_answer_otherwise_than_they_declare",
        "test_labelled.py::test_glob",
        "test_labelled.py::test_half_a_header_is_no_row",
        "test_labelled.py::test_half_a_surrogate_pair",
        "test_labelled.py::test_long_text",
        "test_labelled.py::test_missing",
        "test_labelled.py::test_no_text_on_both_sides_in_another_normal_form",
        "test_labelled.py::test_refused",
        "test_modelfile.py::test_damaged_numbers_of_the_graph_run_or_are_refused",
        "test_plots.py::test_any_label_can_be_drawn",
        "test_plots.py::test_many_labels_stay_within_bounds",
        "test_runtime.py::test_nothing_of_the_runtimes_own_is_printed",
        "test_sources.py::test_missing",
    }
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Expects the known faults to fail."""
    for item in items:
        name = getattr(item, "originalname", item.name)
        if f"{item.path.name}::{name}" in KNOWN_FAULTS:
            item.add_marker(pytest.mark.xfail(reason="known fault", strict=False))
