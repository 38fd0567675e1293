"""Benign changes, scope drift and attack chains: SimPy processes of their own that act on the live world."""
