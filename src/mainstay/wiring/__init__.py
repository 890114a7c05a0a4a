"""Wiring: the only room that names adapters and reads the environment.

Everything else is handed what it needs. `open_workspace` turns a folder into a `Workspace`, whose
properties open each store when it is first asked for; `python -m mainstay.wiring` is what the
supervisor starts. Importing this package costs nothing: a worker must be up within a second, so
each heavy library is imported where its adapter is opened and nowhere else.
"""
