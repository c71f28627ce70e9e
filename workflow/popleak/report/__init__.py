"""The report page and the README's blocks: sentences and tables written from the public tables by rules."""
