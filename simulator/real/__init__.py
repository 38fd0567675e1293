"""Incidents of the catalogue in a log of real records: who acts, with which calls, at which moments, and the truth."""
