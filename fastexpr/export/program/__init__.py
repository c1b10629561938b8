"""A network as a short list of simple statements, which C code and formulas are printed from.

`statements` has the six kinds that there are, `lowering` puts every operator of the core into them: one small function
for each operator, found by its name. What no function is registered for cannot be exported.
"""
