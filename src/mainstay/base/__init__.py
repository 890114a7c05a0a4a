"""The ground every room stands on: time, identity, errors and limits.

Promises that a clock reading, a random draw, an error and a bound look the same everywhere.
Must never import another room, nor anything outside the standard library.
"""
