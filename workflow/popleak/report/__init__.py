"""The report, the pages of results and the README's findings: sentences and tables that rules write from the public tables."""
