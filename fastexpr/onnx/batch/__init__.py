"""Whether a model's dynamic first axis is a batch."""
