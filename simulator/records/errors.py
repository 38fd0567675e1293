"""What can be wrong with a log, and with one record of it."""


class LogError(ValueError):
    """A log of which nothing can be read or written, or a mapping file that makes no sense."""


class Unreadable(ValueError):
    """A record that cannot become an event; the message is the reason that the import report counts."""
