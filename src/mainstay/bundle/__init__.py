"""The bundle room: immutable versions of models, and the stores that keep them.

Promises that what is loaded is byte for byte what was packed: every digest is checked before any
parser sees a file, code runs only from a bundle that a trusted key signed, nothing is ever
unpickled, and the first load happens in a child process that may hang or die alone.
Must never know of routes, requests or journals.
"""
