"""What a verb raises when it cannot go on."""


class CliError(Exception):
    """The message is one sentence for the person at the terminal. The exit code is 2."""
