"""popleak: what a released model gives away about its training population."""

__version__ = "0.1.0"
