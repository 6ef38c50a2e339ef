"""What a verb raises when it cannot go on."""

USAGE_ERROR = 2
REFUSED = 1


class CliError(Exception):
    """The message is for the person at the terminal: what is wrong, and the remedy. The exit code is 2."""

    exit_code = USAGE_ERROR


class RefusedError(CliError):
    """It was asked, and the answer was no. The exit code is 1."""

    exit_code = REFUSED
