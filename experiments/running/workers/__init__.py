"""Worlds and detectors on all cores: a process for each world, and in it a process for each detector.

`host` is the process of a world: it makes the world and forks a process for each detector, which finds the world in its
memory at no cost and cannot change it for the others.  `pool` is our side: it says what runs when, so that cores and
memory suffice, and puts the tables together.
"""
