"""What fastexpr costs, beside others and beside what the machine can do: `python -m benchmarks --help`.

| command | what | how |
|---|---|---|
| derivatives | `derivatives` | `networks`, `derivative_candidates`, `peers` and `peer_*`, `comparison` |
| architectures | `architectures` | `architecture_networks`, `peers`, `comparison` |
| batches | `batches` | `networks`, `peers`, `comparison` |
| models | `models` | `pyomo_models`, `asl`, `evaluations`, `memory`, `ipopt_time` |
| solves | `solves` | `limits` (the problem), `solve_candidates`, `oracles` |
| nmpc | `nmpc` | `control` (the problem), `control_candidates`, `control_oracle` |
| doors | `doors` | `limits`, `solve_candidates` |
| threads | `threads` | `networks`, `peers` |
| startup | `startup` | `startup_candidates` |
| largest | `largest` | `largest_candidates`, `networks`, `peers` |

Common to them: `command_line`, `processes`, `timing`, `machine`, `tables`, `pictures`.
"""
