"""Cells of a sweep: what a cell is and where finished ones are kept (`store`), how a worker runs those of one world
(`worker`), and how worlds reach workers on this machine or a cluster (`cluster`)."""
