"""What fastexpr costs, beside others and beside what the machine can do: `python -m benchmarks --help`."""
