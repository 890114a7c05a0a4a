"""The drill room: made-up worlds in simulated time, what goes wrong in them, and the verdicts.

Promises that what acts in a world is the product's own code, on a real workspace; that a world is
drawn from a seed and its time moves only when it is told to, so that a day takes seconds and a
drill that fails fails again; and that its verdicts rest on what is true in the world, which no part
of the product is shown. Must never touch a workspace that it did not make itself.
"""
