"""From a Pyomo model to a nonlinear program: the modules that read Pyomo's objects."""
