"""What an adversary sees."""
