"""The check of an import: every node beside another evaluator, at one point."""
