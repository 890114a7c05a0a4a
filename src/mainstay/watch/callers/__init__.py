"""Who tries a model out rather than using it: sweeps, strange inputs, questions at the boundary.

Promises that what is found names the caller, with a figure and what is usual, under the same false
alarms as all other monitors; and bounded memory, however many callers there are. Works from sealed
pieces alone; must never slow down a request, nor block anybody.
"""
