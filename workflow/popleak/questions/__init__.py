"""What an adversary asks: plugins, one file each."""
