"""The stacked engine: trains K small models of one architecture at once, each as if it were alone."""
