"""The root of every error flowlab raises on purpose, and what the command line makes of it."""


class FlowlabError(Exception):
    """Something went wrong at run time; the message is one line for the person at the instrument."""

    exit_code = 1


class BadInputError(FlowlabError):
    """What was asked cannot be done as asked: the message says what was asked, what is allowed, what to do."""

    exit_code = 2
