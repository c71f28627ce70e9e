"""Models that somebody else trained, judged by their answers alone; and a run's models, packed for somebody else to attack."""
