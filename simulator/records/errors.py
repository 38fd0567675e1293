"""What can be wrong with a log, and with one record of it."""


class LogError(ValueError):
    """A log that cannot be read or written, or an invalid mapping file."""


class Unreadable(ValueError):
    """A record that cannot become an event; the message is the reason that the import report counts."""
