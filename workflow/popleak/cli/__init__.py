"""The command line."""

from .stages import main as main
