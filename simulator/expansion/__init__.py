"""From stage rows to columns: what a stage logs, expanded window by window, and how records are delivered."""
