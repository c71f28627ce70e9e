"""What the plan tells the job of a public table, and what that is made of: one file a table, each with one frozen class `Table`."""
