"""What every other room stands on: errors, settings, seeds, plugins, digests of code, files that appear whole."""
