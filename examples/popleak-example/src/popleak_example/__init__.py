"""Plugins for popleak: an attack and a dataset."""
