"""Bounds and limits in Pyomo models that are looked up whenever somebody asks, so that they never go stale."""
