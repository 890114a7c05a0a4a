"""What is kept of columns instead of their rows: rulers, summaries, moments; mergeable and bounded.

Promises that any split of the rows, merged in any order, gives the summary of the whole. Stands low
in the house because both ends need it: a bundle carries the summary of its reference, and watching
merges those of what came after.
"""
