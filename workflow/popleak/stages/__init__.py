"""The stages: one module a rule, of the same name."""
