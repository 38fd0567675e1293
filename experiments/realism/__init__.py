"""How close a simulated log is to published figures of real platforms, statistic by statistic.

A *statistic* (one file a family here) takes its sample from the event log, as one would from a real log.  A
*target* (`scenarios/data/realism/*.yaml`, or a user's own file or trace) says what real platforms show, with its
source.  `compare` puts the two side by side: a distance, a tolerance, and what a straw man with the same mean scores
on the same row.
"""
