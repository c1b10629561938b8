"""Many solves: from spread starts, or of many problems, in this process or by others."""
