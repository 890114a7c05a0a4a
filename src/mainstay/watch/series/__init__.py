"""Series of figures by the hour: has one stepped up, does one go up slowly, and
is a value one that nobody would expect?

Promises tests that neither a few wild values nor hours that resemble their neighbours lead astray,
whatever the distribution. Pure: numbers in, numbers out; what is done about them is for monitors.
"""
