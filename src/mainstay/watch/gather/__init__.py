"""From sealed pieces of the journal to parts: what is kept of ten minutes of decisions.

Promises that every decision enters once, in the stretch it was made in, however late its piece is
sealed, and that no piece is read twice. A part is bounded in size, and parts of the same stretch
merge in any order. Must never read what is not sealed, nor rows that were taken in before.
"""
