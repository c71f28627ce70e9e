"""Files in the store: Parquet, undamaged and of this run, and what the tables of the stages hold."""
