"""The HTTP door: it speaks to clients and hands every call to the same pipeline.

Promises that a request is answered in the form of the door it came through, errors included.
Must never decide anything that another door would decide differently.
"""
