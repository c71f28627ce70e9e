"""What every plugin must do, as checks that strangers can run on theirs."""
