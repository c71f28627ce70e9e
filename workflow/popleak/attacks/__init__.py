"""Attacks: one file each, found by name. See `base` for the contract."""
