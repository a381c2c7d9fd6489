"""A verdict on a run at every evaluation: `rules` read the `history` of its figures, `monitor` keeps the verdict steady.

Nothing here knows a model, a metric or a trainer: figures come by role (see `seesaw.monitor.history.Record`), so a rule reads
the same way whatever measured them. What is missing is nan, and every rule lives with that.
"""
