"""Config -> steps: what there is to do, what it costs, and how it is cut into jobs."""
