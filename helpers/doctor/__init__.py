"""What this machine can run, and what to do for the rest: ``python -m helpers.doctor``.

Two halves. `bare`, `reach`, `imports`, `report` and ``__main__`` use the standard library alone, so
that they work where packages are missing or broken; `project` and `needs` read profiles, data and
weights, in a process of their own, whose end is no end of the doctor.
"""
