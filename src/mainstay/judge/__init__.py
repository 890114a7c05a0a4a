"""The judge room: whether an answer may be shown, and in which words.

Promises that an output that is not finite, not in range or not what the contract says is never
shown, and that people get plain values instead of arrays. Must never change what the model
computed, and never look at anything but the contract and the output.
"""
