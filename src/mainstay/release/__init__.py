"""The release room: how a version comes to serve, and how an older one comes back.

Promises that deploying and rolling back are one operation, an append to the route chain, after the
same checks; that of two deployers one wins and the other is told. Must never touch traffic: it
appends a route, the serve room follows it.
"""
