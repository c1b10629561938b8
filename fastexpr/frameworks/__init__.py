"""Models from the libraries people train with, as Functions.

`pytorch` goes through PyTorch's ONNX exporter, `keras` writes a model's layers as ONNX nodes, `sklearn`, `xgboost` and
`lightgbm` read what a fitted model holds; `ensemble` puts several Functions together. None of these libraries is
imported before it is used: `libraries` does that, or says what to install.
"""

from __future__ import annotations
