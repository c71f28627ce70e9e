"""The one exception that a user is meant to read."""


class PopleakError(Exception):
    """Bad input, said in one line that names the key or the file and the remedy.

    The command line prints the message alone and exits with status 2; a traceback would only hide the remedy.
    """
