"""Models whose first axis is dynamic: those where it is a batch, and those where it is none."""

from __future__ import annotations

import numpy as np
import onnx.parser
from onnx import numpy_helper

#: Weights of recurrent layers, by their names.
WEIGHTS = {
    "W": (1, 8, 3), "R": (1, 8, 2), "W1": (1, 2, 3), "R1": (1, 2, 2), "W2": (2, 8, 3), "R2": (2, 8, 2),
    "W3": (1, 6, 3), "R3": (1, 6, 2),
}  # fmt: skip

#: Each row by itself, all of them alike.
BATCH: dict[str, str] = {
    "reshape cols": """
        (float[N,4] x) => (float[N,4] y) <int64[2] s={-1,4}, int64[2] b={4,-1}> { f = Reshape(x, b) g = Tanh(f) y =
        Reshape(g, s) }""",
    "bcast1d": """
        (float[N] x) => (float[N,3] y) <float[1,3] c={1,2,3}, int64[1] o={1}> { u = Unsqueeze(x, o) y = Mul(u, c) }""",
    "instance t": """
        (float[N,3,4] x) => (float[N,3,4] y) <float[3] s={1,2,3}, float[3] b={0,1,0}> { y = InstanceNormalization(x,
        s, b) }""",
    "einsum row": """(float[N,3] x) => (float[N] y) { y = Einsum<equation="ni,ni->n">(x, x) }""",
    "einsum outer": """(float[N,3] x) => (float[N,3,3] y) { y = Einsum<equation="ni,nj->nij">(x, x) }""",
    "relu": """(float[N,2] x) => (float[N,2] y) { y = Relu(x) }""",
    "view": """
        (float[N,2,3] x) => (float[N,6] y) <int64 z={0}, int64[1] m={-1}, int64[1] zz={0}> { h = Shape(x) n =
        Gather(h, z) u = Unsqueeze(n, zz) s = Concat<axis=0>(u, m) y = Reshape(x, s) }""",
    "reshape0": """(float[N,2,3] x) => (float[N,6] y) <int64[2] s={0,-1}> { y = Reshape(x, s) }""",
    "reshape-1": """(float[N,2,3] x) => (float[N,3,2] y) <int64[3] s={-1,3,2}> { y = Reshape(x, s) }""",
    "timedistributed": """
        (float[N,4,3] x) => (float[N,4,2] y) <int64[2] s={-1,3}, int64[3] b={-1,4,2}, float[3,2] W={1,2,3,4,5,6}> {
        f = Reshape(x, s) g = MatMul(f, W) y = Reshape(g, b) }""",
    "folded out": """
        (float[N,4,3] x) => (float[M,2] y) <int64[2] s={-1,3}, float[3,2] W={1,2,3,4,5,6}> { f = Reshape(x, s) y =
        MatMul(f, W) }""",
    "attention": """
        (float[N,4,3] x) => (float[N,4,3] y) { t = Transpose<perm=[0,2,1]>(x) s = MatMul(x, t) a =
        Softmax<axis=-1>(s) y = MatMul(a, x) }""",
    "lstm batch": """
        (float[N,4,3] x) => (float[N,4,2] y) <int64[1] o={1}> { t = Transpose<perm=[1,0,2]>(x) q, h, c =
        LSTM<hidden_size=2>(t, W, R) s = Squeeze(q, o) y = Transpose<perm=[1,0,2]>(s) }""",
    "lstm states": """
        (float[N,4,3] x) => (float[N,4,2] y, float[1,N,2] h, float[1,N,2] c) <int64[1] o={1}> { t =
        Transpose<perm=[1,0,2]>(x) q, h, c = LSTM<hidden_size=2>(t, W, R) s = Squeeze(q, o) y =
        Transpose<perm=[1,0,2]>(s) }""",
    "bilstm states": """
        (float[N,4,3] x) => (float[N,4,4] y, float[2,N,2] h) <int64[3] o={0,0,-1}> { t = Transpose<perm=[1,0,2]>(x)
        q, h, c = LSTM<hidden_size=2, direction="bidirectional">(t, W2, R2) s = Transpose<perm=[0,2,1,3]>(q) r =
        Reshape(s, o) y = Transpose<perm=[1,0,2]>(r) }""",
    "batchnorm": """
        (float[N,3] x) => (float[N,3] y) <float[3] s={1,2,3}, float[3] b={0,1,0}, float[3] v={1,1,2}> { y =
        BatchNormalization(x, s, b, b, v) }""",
    "layernorm": """(float[N,3] x) => (float[N,3] y) <float[3] s={1,2,3}> { y = LayerNormalization(x, s) }""",
    "shared p": """(float[N,3] x, float[3] p) => (float[N,3] y) { y = Mul(x, p) }""",
    "shared p2": """
        (float[N,3] x, float[2,3] p) => (float[N,2] y) { t = Transpose<perm=[1,0]>(p) y = MatMul(x, t) }""",
    "two inputs": """(float[N,3] x, float[M,3] h) => (float[N,3] y) { y = Mul(x, h) }""",
    "unnamed": """(float[?,3] x, float[?,3] h) => (float[?,3] y) { y = Mul(x, h) }""",
    "separate": """(float[N,3] x, float[M,3] h) => (float[N,3] y, float[M,3] z) { y = Tanh(x) z = Relu(h) }""",
    "expand by shape": """
        (float[N,3] x) => (float[N,3] y) <float[1,3] c={1,2,3}> { h = Shape(x) e = Expand(c, h) y = Add(x, e) }""",
    "zeros by shape": """
        (float[N,3] x) => (float[N,5] y) <int64 i={0}, int64[1] two={2}, int64[1] z={0}> { h = Shape(x) n =
        Gather(h, i) u = Unsqueeze(n, z) s = Concat<axis=0>(u, two) c = ConstantOfShape(s) y = Concat<axis=1>(x, c)
        }""",
    "einsum batch": """(float[N,3,2] x) => (float[N,3,3] y) { y = Einsum<equation="nij,nkj->nik">(x, x) }""",
    "where row": """
        (float[N,3] x) => (float[N,3] y) <float c={0}> { g = Greater(x, c) t = Tanh(x) y = Where(g, t, x) }""",
    "argmax row": """(float[N,3] x) => (float[N,3] y) { y = Hardmax<axis=1>(x) }""",
    "cumsum1": """(float[N,3] x) => (float[N,3] y) <int64 a={1}> { y = CumSum(x, a) }""",
    "gather cols": """(float[N,3] x) => (float[N,2] y) <int64[2] i={2,0}> { y = Gather<axis=1>(x, i) }""",
    "slice rows all": """
        (float[N,3] x) => (float[N,2] y) <int64[2] s={0,1}, int64[2] e={9223372036854775807,3}, int64[2] a={0,1}> {
        y = Slice(x, s, e, a) }""",
    "slice by shape": """
        (float[N,3] x) => (float[N,2] y) <int64 i={0}, int64[1] z={0}, int64[1] one={1}, int64[1] three={3},
        int64[2] a={0,1}> { h = Shape(x) n = Slice(h, z, one) e = Concat<axis=0>(n, three) s = Concat<axis=0>(z,
        one) y = Slice(x, s, e, a) }""",
    "moved inside": """
        (float[N,3] x) => (float[N,3] y) { t = Transpose<perm=[1,0]>(x) r = Softmax<axis=0>(t) y =
        Transpose<perm=[1,0]>(r) }""",
    "constant output": """
        (float[N,3] x) => (float[N,3] y, float[2] z) <float[2] c={1,2}> { y = Tanh(x) z = Identity(c) }""",
    "squeeze out": """(float[N,1] x) => (float[N] y) <int64[1] o={1}> { t = Tanh(x) y = Squeeze(t, o) }""",
    "sum row": """(float[N,3] x) => (float[N] y) <int64[1] o={1}> { y = ReduceSum<keepdims=0>(x, o) }""",
    "lead one": """(float[N,3] x) => (float[1,N,3] y) <int64[1] o={0}> { y = Unsqueeze(x, o) }""",
    "h second": """
        (float[N,3] x, float[1,N,3] h) => (float[N,3] y) <int64[1] o={0}> { s = Squeeze(h, o) y = Add(x, s) }""",
    "gnorm": """
        (float[N,4,3] x) => (float[N,4,3] y) <int64[3] s={0,2,-1}, int64[3] b={0,4,3}, float[2] w={1,1}, float[2]
        z={0,0}> { r = Reshape(x, s) n = InstanceNormalization(r, w, z) y = Reshape(n, b) }""",
    "gnorm shape": """
        (float[N,4,3] x) => (float[N,4,3] y) <int64[3] s={0,2,-1}, float[2] w={1,1}, float[2] z={0,0}> { h =
        Shape(x) r = Reshape(x, s) n = InstanceNormalization(r, w, z) y = Reshape(n, h) }""",
    "loop rows": """
        (float[N,2] x) => (float[N,2] y) <int64 m={3}, bool c={1}> { y = Loop<body = b (int64 i, bool c0, float[A,2]
        s) => (bool c1, float[A,2] t) { c1 = Identity(c0) t = Tanh(s) } >(m, c, x) }""",
    "if const": """
        (float[N,2] x) => (float[N,2] y) <bool c={1}> { y = If<then_branch = a () => (float[A,2] u) { u = Tanh(x) },
        else_branch = b () => (float[A,2] v) { v = Relu(x) } >(c) }""",
    "tile rows": """(float[N,2] x) => (float[N,6] y) <int64[2] r={1,3}> { y = Tile(x, r) }""",
    "pad cols": """(float[N,2] x) => (float[N,4] y) <int64[4] p={0,1,0,1}> { y = Pad(x, p) }""",
    "det": """(float[N,2,2] x) => (float[N] y) { y = Det(x) }""",
    "depthspace": """(float[N,4,2,2] x) => (float[N,1,4,4] y) { y = DepthToSpace<blocksize=2>(x) }""",
    "resize": """
        (float[N,1,2,2] x) => (float[N,1,4,4] y) <float[4] s={1,1,2,2}> { y = Resize<mode="linear">(x, , s) }""",
    "gather elements": """(float[N,3] x) => (float[N,3] y) { t = Softmax<axis=1>(x) y = Mul(t, x) }""",
    "mean cols by size": """
        (float[N,4] x) => (float[N,1] y) <int64 o={1}, int64[1] oo={1}> { s = ReduceSum(x, oo) h = Shape(x) n =
        Gather(h, o) f = Cast<to=1>(n) y = Div(s, f) }""",
}

#: Rows that meet, or are counted.
NO_BATCH: dict[str, str] = {
    "shape with its axes exchanged": """
        (float[N,4] x) => (float[4,N] y) <int64[2] i={1,0}> { t = Tanh(x) h = Shape(t) s = Gather(h, i) y =
        Reshape(t, s) }""",
    "a constant for each of six rows": """
        (float[N,2] x) => (float[M,2] y) <float[6,2] c={1,2,3,4,5,6,7,8,9,10,11,12}> { y = Add(x, c) }""",
    "one number for each of seven rows": """
        (float[N,2] x) => (float[1,2] y) <float[7,1] c={1,2,3,4,5,6,7}, int64[1] a={0}> { s = Mul(x, c) y =
        ReduceMean(s, a) }""",
    "a choice for each of six rows": """
        (float[N,2] x) => (float[M,2] y) <bool[6,1] c={1,0,1,0,1,0}> { t = Neg(x) y = Where(c, x, t) }""",
    "shape of pairs": """
        (float[N,4] x) => (float[N,4] y) <int64 z={0}, int64[1] zz={0}, int64[1] m={-1}> { h = Shape(x) n = Gather(h, z)
        u = Unsqueeze(n, zz) s = Concat<axis=0>(m, u) r = Reshape(x, s) q = Softmax<axis=0>(r) y = Reshape(q, h) }""",
    "number of rows in a branch": """
        (float[N,4] x) => (float[N,4] y) <bool c={1}, int64 z={0}> { h = Shape(x) f = If<then_branch = a () =>
        (float u) { n = Gather(h, z) u = Cast<to=1>(n) }, else_branch = b () => (float v) {
        v = Constant<value_float=1.0>() } >(c) y = Mul(x, f) }""",
    "number of rows as a number": """
        (float[N,4] x) => (float[N,4] y) <int64 z={0}> { h = Shape(x) n = Gather(h, z) f = Cast<to=1>(n) y = Mul(x, f)
        }""",
    "cumsum": """(float[T,2] x) => (float[T,2] y) { a = Constant<value_int=0>() y = CumSum(x, a) }""",
    "center": """(float[N,2] x) => (float[N,2] y) { m = ReduceMean<axes=[0]>(x) y = Sub(x, m) }""",
    "center all": """(float[N,2] x) => (float[N,2] y) { m = ReduceMean(x) y = Sub(x, m) }""",
    "softmax0": """(float[N,2] x) => (float[N,2] y) { y = Softmax<axis=0>(x) }""",
    "logsoftmax0": """(float[N,2] x) => (float[N,2] y) { y = LogSoftmax<axis=0>(x) }""",
    "hardmax0": """(float[N,2] x) => (float[N,2] y) { y = Hardmax<axis=0>(x) }""",
    "nodes adj": """(float[N,2] x, float[N,N] A) => (float[N,2] y) { y = MatMul(A, x) }""",
    "gram": """(float[N,2] x) => (float[2,2] y) { t = Transpose<perm=[1,0]>(x) y = MatMul(t, x) }""",
    "gram2": """(float[N,2] x) => (float[N,N] y) { t = Transpose<perm=[1,0]>(x) y = MatMul(x, t) }""",
    "gemm gram": """(float[N,2] x) => (float[2,2] y) { y = Gemm<transA=1>(x, x) }""",
    "attention nodes": """
        (float[N,4] x) => (float[N,4] y) { t = Transpose<perm=[1,0]>(x) s = MatMul(x, t) a = Softmax<axis=-1>(s) y =
        MatMul(a, x) }""",
    "mean by size": """
        (float[N,2] x) => (float[2] y) <int64[1] ax={0}, int64 z={0}> { s = ReduceSum<keepdims=0>(x, ax) h =
        Shape(x) n = Gather(h, z) f = Cast<to=1>(n) y = Div(s, f) }""",
    "divide by size": """
        (float[N,2] x) => (float[N,2] y) <int64 z={0}> { h = Shape(x) n = Gather(h, z) f = Cast<to=1>(n) y = Div(x,
        f) }""",
    "divide by Size": """(float[N,2] x) => (float[N,2] y) { n = Size(x) f = Cast<to=1>(n) y = Div(x, f) }""",
    "positions": """
        (float[T,2] x) => (float[T,2] y) <int64 z={0}, int64 o={1}, int64[1] e={1}> { h = Shape(x) n = Gather(h, z)
        r = Range(z,n,o) f = Cast<to=1>(r) c = Unsqueeze(f, e) y = Add(x, c) }""",
    "position table": """
        (float[T,2] x) => (float[T,2] y) <float[9,2] W={1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18}, int64[1]
        z={0}, int64[1] o={1}> { h = Shape(x) n = Slice(h, z, o) p = Slice(W, z, n) y = Add(x, p) }""",
    "transpose out": """(float[N,3] x) => (float[3,N] y) { y = Transpose<perm=[1,0]>(x) }""",
    "fold minor": """
        (float[N,3,2] x) => (float[3,M] y) <int64[2] s={3,-1}> { t = Transpose<perm=[1,0,2]>(x) y = Reshape(t, s) }""",
    "fold wrong": """(float[N,3,2] x) => (float[3,M] y) <int64[2] s={3,-1}> { y = Reshape(x, s) }""",
    "flatten0 softmax": """(float[N,2] x) => (float[1,M] y) { f = Flatten<axis=0>(x) y = Softmax<axis=1>(f) }""",
    "reshape softmax": """
        (float[N,2] x) => (float[M] y) <int64[1] s={-1}> { f = Reshape(x, s) y = Softmax<axis=0>(f) }""",
    "reshape pairs": """
        (float[N,4] x) => (float[N,4] y) <int64[2] s={2,-1}, int64[2] b={-1,4}> { f = Reshape(x, s) g =
        Softmax<axis=1>(f) y = Reshape(g, b) }""",
    "max0 gate": """
        (float[N,2] x) => (float[N,2] y) <float c={500}> { m = ReduceMax<axes=[0]>(x) g = Greater(m, c) t = Tanh(x)
        y = Where(g, t, x) }""",
    "sign mean": """(float[N,2] x) => (float[N,2] y) { m = ReduceMean<axes=[0]>(x) s = Sign(m) y = Add(x, s) }""",
    "floor sum": """
        (float[N,2] x) => (float[N,2] y) <int64[1] a={0}> { m = ReduceSum(x, a) s = Floor(m) y = Add(x, s) }""",
    "lstm TF": """
        (float[T,3] x) => (float[T,1,1,2] y) <int64[1] o={1}> { u = Unsqueeze(x, o) y, h, c = LSTM<hidden_size=2>(u,
        W, R) }""",
    "lstm T1F": """(float[T,1,3] x) => (float[T,1,1,2] y) { y, h, c = LSTM<hidden_size=2>(x, W, R) }""",
    "rnn last": """(float[T,1,3] x) => (float[1,1,2] h) { y, h = RNN<hidden_size=2>(x, W1, R1) }""",
    "gru T": """(float[T,1,3] x) => (float[T,1,1,2] y) { y, h = GRU<hidden_size=2>(x, W3, R3) }""",
    "reverse": """
        (float[N,2] x) => (float[N,2] y) <int64[1] s={-1}, int64[1] e={-9223372036854775807}, int64[1] a={0},
        int64[1] m={-1}> { y = Slice(x, s, e, a, m) }""",
    "diff": """
        (float[N,2] x) => (float[M,2] y) <int64[1] s={1}, int64[1] e={9223372036854775807}, int64[1] z={0}, int64[1]
        a={0}, int64[1] me={-1}> { p = Slice(x, s, e, a) q = Slice(x, z, me, a) y = Sub(p, q) }""",
    "first rows": """
        (float[N,2] x) => (float[M,2] y) <int64[1] s={0}, int64[1] e={3}, int64[1] a={0}> { y = Slice(x, s, e, a) }""",
    "first row": """(float[N,2] x) => (float[2] y) <int64 i={0}> { y = Gather<axis=0>(x, i) }""",
    "last row": """(float[N,2] x) => (float[1,2] y) <int64[1] i={-1}> { y = Gather<axis=0>(x, i) }""",
    "shift pad": """
        (float[N,2] x) => (float[N,2] y) <int64[1] s={0}, int64[1] e={-1}, int64[1] a={0}, int64[4] p={1,0,0,0}> { q
        = Slice(x, s, e, a) w = Pad(q, p) y = Sub(x, w) }""",
    "concat0": """(float[N,2] x) => (float[M,2] y) <float[2,2] c={1,2,3,4}> { y = Concat<axis=0>(x, c) }""",
    "concat self": """(float[N,2] x) => (float[M,2] y) { t = Tanh(x) y = Concat<axis=0>(x, t) }""",
    "tile0": """(float[N,2] x) => (float[M,2] y) <int64[2] r={2,1}> { y = Tile(x, r) }""",
    "bcast2": """(float[N,3] x) => (float[M,3] y) <float[2,3] c={1,2,3,4,5,6}> { y = Add(x, c) }""",
    "dot1d": """(float[N] x) => (float y) { y = MatMul(x, x) }""",
    "softmax1d": """(float[N] x) => (float[N] y) { y = Softmax<axis=-1>(x) }""",
    "outer1d": """
        (float[N] x) => (float[N,N] y) <int64[1] o={1}, int64[1] z={0}> { a = Unsqueeze(x, o) b = Unsqueeze(x, z) y
        = Sub(a, b) }""",
    "norm all": """(float[N,2] x) => (float[N,2] y) { n = ReduceL2(x) y = Div(x, n) }""",
    "lp0": """(float[N,2] x) => (float[N,2] y) { y = LpNormalization<axis=0>(x) }""",
    "layernorm0": """(float[N,2] x, float[N,2] g) => (float[N,2] y) { y = LayerNormalization<axis=0>(x, g) }""",
    "conv time3": """
        (float[T,2] x) => (float[1,1,M] y) <float[1,2,3] W={1,2,3,4,5,6}, int64[1] z={0}> { t =
        Transpose<perm=[1,0]>(x) u = Unsqueeze(t, z) y = Conv<pads=[1,1]>(u, W) }""",
    "einsum mix": """(float[N,3] x) => (float[N,N] y) { y = Einsum<equation="ni,mi->nm">(x, x) }""",
    "einsum sum": """(float[N,3] x) => (float[3] y) { y = Einsum<equation="ni->i">(x) }""",
    "matmul p": """
        (float[N,3] x) => (float[4,3] y) <float[4,5] P={1,2,3,4,5,6,7,8,9,1,2,3,4,5,6,7,8,9,1,2}> { y = MatMul(P, x)
        }""",
    "half": """(float[N,3] x) => (float[M,6] y) <int64[2] s={-1,6}> { y = Reshape(x, s) }""",
    "square": """(float[N,N] x) => (float[N,N] y) { y = Tanh(x) }""",
    "two names": """
        (float[N,2] x, float[M,2] h) => (float[N,M] y) { t = Transpose<perm=[1,0]>(h) y = MatMul(x, t) }""",
    "context mean": """
        (float[N,2] x, float[M,2] h) => (float[N,2] y) { m = ReduceMean<axes=[0]>(h) y = Add(x, m) }""",
    "scan": """
        (float[T,2] x) => (float[T,2] y) <float[2] z={0,0}> { f, y = Scan<num_scan_inputs=1, body = b (float[2] s,
        float[2] v) => (float[2] so, float[2] o) { so = Add(s, v) o = Identity(so) } >(z, x) }""",
    "gather neighbours": """
        (float[N,2] x) => (float[N,2] y) <int64[3] i={1,2,0}> { g = Gather<axis=0>(x, i) y = Sub(x, g) }""",
    "trilu": """
        (float[N,2] x) => (float[N,2] y) { t = Transpose<perm=[1,0]>(x) g = MatMul(x, t) e = Trilu<upper=0>(g) y =
        MatMul(e, x) }""",
    "maxpool time": """
        (float[T,2] x) => (float[M,2] y) <int64[1] z={0}> { t = Transpose<perm=[1,0]>(x) u =
        MaxPool<kernel_shape=[2]>(t1) v = Squeeze(u, z) y = Transpose<perm=[1,0]>(v) t1 = Unsqueeze(t, z) }""",
    "unnamed mix": """(float[?,3] x) => (float[?,3] y) { y = Softmax<axis=0>(x) }""",
    "if mix": """
        (float[N,2] x) => (float[N,2] y) <float q={0}> { m = ReduceSum<keepdims=0>(x) c = Greater(m, q) y =
        If<then_branch = a () => (float[A,2] u) { u = Tanh(x) }, else_branch = b () => (float[A,2] v) { v = Relu(x)
        } >(c) }""",
    "if size": """
        (float[N,2] x) => (float[N,2] y) <int64 q={3}, int64 z={0}> { h = Shape(x) n = Gather(h, z) c = Greater(n,
        q) y = If<then_branch = a () => (float[A,2] u) { u = Tanh(x) }, else_branch = b () => (float[A,2] v) { v =
        Relu(x) } >(c) }""",
    "pad rows": """(float[N,2] x) => (float[M,2] y) <int64[4] p={1,0,0,0}> { y = Pad(x, p) }""",
    "resize0": """(float[N,2] x) => (float[M,2] y) <float[2] s={2,1}> { y = Resize<mode="linear">(x, , s) }""",
}


def model(text: str) -> onnx.ModelProto:
    """The model, with random weights where it has recurrent layers."""
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 17]> g {text}')
    given = {info.name for info in proto.graph.input} | {tensor.name for tensor in proto.graph.initializer}
    read = {name for node in proto.graph.node for name in node.input} - given
    random = np.random.default_rng(0)
    for name in sorted(read & set(WEIGHTS)):
        proto.graph.initializer.append(
            numpy_helper.from_array(random.normal(size=WEIGHTS[name]).astype(np.float32), name)
        )
    return proto
