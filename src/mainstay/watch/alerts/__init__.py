"""Alerts: from what is found to people who know of it.

Promises that every finding that begins or ends becomes part of exactly one alert, that what is to
be told is told at least once over restarts and never again once that is known, and that whoever is
told hears of one thing once: what begins together comes together, what comes and goes is told as
that, and a storm comes as a digest. Each step is an event of the journal. The core is functions of
events and time; must never send while it decides, nor read the time.
"""
