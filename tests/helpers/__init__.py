"""Tables of cases, oracles written from the equations, small data sets: what tests share."""
