"""Measures: pure functions on arrays (fairness, leakage, bounds, intervals). They know no file and no config."""
