"""How the digits task is trained; what it is lies in `mckd.digits`."""
