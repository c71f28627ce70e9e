"""The stacked engine: K small models of one architecture trained at once, each as if it were alone."""
