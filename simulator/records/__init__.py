"""Audit records of real formats: reading them into a log, and writing a log as such records."""
