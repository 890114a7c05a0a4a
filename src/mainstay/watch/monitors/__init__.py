"""Looking at parts as they come, for ever, with a promise about how often that cries wolf.

Promises that however often somebody looks, a model that is as it was raises an alarm no more often
than its contract allows, over all columns, slices and questions together. Each question is a bet
on counts of closed hours; nothing here reads rows.
"""
