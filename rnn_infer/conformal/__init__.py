"""Split-conformal prediction sets: sets of labels that hold the right one with a given share."""
