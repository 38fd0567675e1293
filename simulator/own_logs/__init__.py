"""Work with a user's own logs: what a log says of its platform, a simulated twin, and incidents put into the log."""
