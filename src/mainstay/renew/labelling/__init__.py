"""People label what was decided: drawn at random, asked one by one, weighed, and heard (N8 M14).

Promises that which decisions are asked about depends on nothing but chance and the rates of the
contract, with the chance of each kept, so that figures stay unbiased (L4); that a task belongs to
one labeler at a time for each answer that is wanted; that what a labeler said is never changed;
and that what becomes an outcome is what all of them together make probable enough. Must never let
a labeler know which tasks are probes, nor, unless declared, what the model answered.
"""
