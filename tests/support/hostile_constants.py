"""ONNX models of some hundred bytes that ask for endless work on constants: each with the error that it must give."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from hostile_models import Hostile, chain, graph, ints, node
from onnx import TensorProto


def constants(operator: tuple[str, dict[str, Any]], opset: int = 21, **arrays: Any) -> onnx.ModelProto:
    """A model in which a node named 'bad' reads constants, and its result, as a float, is added to x."""
    name, attributes = operator
    nodes = [node(name, [*arrays], ["a"], "bad", **attributes), node("Cast", ["a"], ["f"], to=TensorProto.FLOAT)]
    return chain(*nodes, node("Add", ["x", "f"], ["y"]), opset=opset, **arrays)


def filled(operator: tuple[str, dict[str, Any]], *shapes: Sequence[int], opset: int = 21) -> onnx.ModelProto:
    """A model in which a node named 'bad' reads constants of these shapes that take no room in the file."""
    name, attributes = operator
    fill = [node("ConstantOfShape", [f"s{k}"], [f"c{k}"], f"fill{k}") for k in range(len(shapes))]
    bad = node(name, [f"c{k}" for k in range(len(shapes))], ["a"], "bad", **attributes)
    rest = [node("ReduceSum", ["a"], ["r"], keepdims=0), node("Add", ["x", "r"], ["y"])]
    return chain(*fill, bad, *rest, opset=opset, **{f"s{k}": ints(shape) for k, shape in enumerate(shapes)})


HOSTILE_CONSTANTS: dict[str, Hostile] = {
    "regular expression": Hostile(
        constants(("RegexFullMatch", {"pattern": "(a*)*b"}), c0=np.array(["a" * 40])), r"\[RegexFullMatch 'bad'\]"
    ),
    "regular expression behind a branch": Hostile(
        chain(
            node(
                "If",
                ["yes"],
                ["a"],
                "if",
                then_branch=graph(node("RegexFullMatch", ["t"], ["b"], "bad", pattern="(a*)*b")),
                else_branch=graph(node("Identity", ["yes"], ["b"])),
            ),
            node("Cast", ["a"], ["f"], to=1),
            node("Add", ["x", "f"], ["y"]),
            yes=np.array(True),
            t=np.array(["a" * 40]),
        ),
        r"\[RegexFullMatch 'bad'\]",
    ),
    "texts that are normalized": Hostile(
        constants(("StringNormalizer", {"case_change_action": "LOWER"}), c0=np.array(["A"])),
        r"\[StringNormalizer 'bad'\]",
    ),
    "texts that are split": Hostile(
        constants(("StringSplit", {"delimiter": "a"}), c0=np.array(["a" * 40])), r"\[StringSplit 'bad'\]"
    ),
    "words that are counted": Hostile(
        constants(
            (
                "TfIdfVectorizer",
                {
                    "mode": "TF",
                    "min_gram_length": 1,
                    "max_gram_length": 2**20,
                    "max_skip_count": 2**20,
                    "ngram_counts": [0],
                    "ngram_indexes": [0],
                    "pool_int64s": [1],
                },
            ),
            c0=np.ones(2**14, np.int64),
        ),
        r"\[TfIdfVectorizer 'bad'\]",
    ),
    "an image that is decoded": Hostile(
        constants(("ImageDecoder", {}), c0=np.frombuffer(b"BM" + bytes(60), np.uint8)), r"\[ImageDecoder 'bad'\]"
    ),
    "boxes that suppress one another": Hostile(
        constants(("NonMaxSuppression", {}), c0=np.ones((1, 2**12, 4)), c1=np.ones((1, 1, 2**12))),
        r"\[NonMaxSuppression 'bad'\]",
    ),
    "convolution of a constant": Hostile(
        filled(("Conv", {"kernel_shape": [64, 64]}), (1, 1, 512, 512), (1, 1, 64, 64)), r"\[Conv 'bad'\]"
    ),
    "convolution of a constant in many channels": Hostile(
        filled(("Conv", {"kernel_shape": [3, 3]}), (1, 256, 128, 128), (256, 256, 3, 3)), r"\[Conv 'bad'\]"
    ),
    "transposed convolution of a constant": Hostile(
        filled(("ConvTranspose", {"kernel_shape": [64, 64]}), (1, 1, 512, 512), (1, 1, 64, 64)),
        r"\[ConvTranspose 'bad'\]",
    ),
    "pooling of a constant": Hostile(
        filled(("MaxPool", {"kernel_shape": [200, 200]}), (1, 1, 512, 512)), r"\[MaxPool 'bad'\]"
    ),
    "partial products of a constant": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["c"], "fill"),
            node("CumProd", ["c", "axis"], ["p"], "bad"),
            node("ReduceSum", ["p"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            s=ints([2**16]),
            axis=ints(0),
            opset=26,
        ),
        r"\[CumProd 'bad'\]",
    ),
    "columns put back into an image": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["c"], "fill"),
            node("Col2Im", ["c", "image", "block"], ["p"], "bad"),
            node("ReduceSum", ["p"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            s=ints([1, 2**12, 449 * 449]),
            image=ints([512, 512]),
            block=ints([64, 64]),
        ),
        r"'bad'\]|\[ConstantOfShape 'fill'\]",
    ),
    "a scan over many constants": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["c"], "fill"),
            node("Scan", ["c"], ["p"], "bad", num_scan_inputs=1, body=graph(node("Tanh", ["a"], ["b"]), reads=("a",))),
            node("ReduceSum", ["p"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            s=ints([2**20, 1]),
        ),
        r"\[Scan 'bad'\]",
    ),
    "ranges in a loop": Hostile(
        chain(
            node(
                "Loop",
                ["n", "", "x"],
                ["y", "z"],
                "bad",
                body=graph(
                    node("Identity", ["c"], ["d"]),
                    node("Range", ["zero", "many", "step"], ["r"], "bad"),
                    node("ReduceMax", ["r"], ["s"]),
                    node("Add", ["v", "s"], ["w"]),
                    reads=("i", "c", "v"),
                    gives=("d", "w", "r"),
                ),
            ),
            n=np.array(2000),
            zero=np.float32(0),
            many=np.float32(2**22),
            step=np.float32(1),
        ),
        r"\[Range 'bad'\]",
    ),
    "window functions of a constant": Hostile(
        chain(
            node("BlackmanWindow", ["n"], ["w"], "bad"),
            node("ReduceSum", ["w"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            n=np.array(2**40),
        ),
        r"\[BlackmanWindow 'bad'\]",
    ),
    "product of constants": Hostile(filled(("MatMul", {}), (2048, 2048), (2048, 2048)), r"\[MatMul 'bad'\]"),
    "Gemm of constants": Hostile(filled(("Gemm", {}), (2048, 2048), (2048, 2048)), r"\[Gemm 'bad'\]"),
    "einsum of constants": Hostile(
        filled(("Einsum", {"equation": "ab,bc,cd,de->ae"}), *[(1024, 1024)] * 4), r"\[Einsum 'bad'\]"
    ),
    "einsum of constants in many axes": Hostile(
        filled(("Einsum", {"equation": "ab,cd,ef->abcdef"}), *[(64, 64)] * 3), r"\[Einsum 'bad'\]"
    ),
    "resize of a constant by cubic curves": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a"], "fill"),
            node("Resize", ["a", "", "", "t"], ["b"], "bad", mode="cubic"),
            node("ReduceSum", ["b"], ["c"]),
            node("Add", ["x", "c"], ["y"]),
            s=ints([1, 1, 2000, 2000]),
            t=ints([1, 1, 2800, 2800]),
        ),
        r"'bad'\]",
    ),
    "resize of a constant, again and again": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["r0"], "fill"),
            *(node("Resize", [f"r{k}", "", "", "t"], [f"r{k + 1}"], "bad", mode="linear") for k in range(60)),
            node("ReduceSum", ["r60"], ["c"]),
            node("Add", ["x", "c"], ["y"]),
            s=ints([1, 1, 700, 700]),
            t=ints([1, 1, 701, 701]),
        ),
        r"'bad'\]",
    ),
    "LSTM of constants": Hostile(
        filled(("LSTM", {"hidden_size": 256}), (2**12, 1, 64), (1, 1024, 64), (1, 1024, 256)), r"\[LSTM 'bad'\]"
    ),
    "attention of constants": Hostile(
        filled(("Attention", {}), *[(1, 1, 2**13, 8)] * 3, opset=23), r"\[Attention 'bad'\]"
    ),
    "Fourier transform of a constant": Hostile(filled(("DFT", {}), (1, 2**15, 1), opset=20), r"\[DFT 'bad'\]"),
    "determinants of constants": Hostile(filled(("Det", {}), (64, 300, 300)), r"\[Det 'bad'\]"),
    "a grid of constants": Hostile(
        filled(("GridSample", {"mode": "cubic"}), (1, 1, 256, 256), (1, 1400, 1400, 2)), r"\[GridSample 'bad'\]"
    ),
    "scattering into a constant": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a0"], "fill"),
            *(node("ScatterElements", [f"a{k}", "i", "u"], [f"a{k + 1}"], "bad") for k in range(60)),
            node("ReduceSum", ["a60"], ["c"]),
            node("Add", ["x", "c"], ["y"]),
            s=ints([2**20]),
            i=ints([0]),
            u=np.ones(1),
        ),
        r"\[ScatterElements 'bad'\]",
    ),
    "sums of a constant that is stretched, again and again": Hostile(
        chain(
            node("Expand", ["one", "s"], ["a"], "stretch"),
            *(node("ReduceSum", ["a"], [f"b{k}"], "bad") for k in range(200)),
            node("Sum", ["x", *(f"b{k}" for k in range(200))], ["y"]),
            one=np.ones(1),
            s=ints([2**22]),
        ),
        r"\[ReduceSum 'bad'\] has constant inputs, and computing",
    ),
    "shapes of a constant that is stretched, again and again": Hostile(
        chain(
            node("Expand", ["one", "s"], ["a0"], "stretch"),
            *(node("Concat", [f"a{k}"], [f"a{k + 1}"], "bad", axis=0) for k in range(200)),
            *(node("Neg", [f"a{k}"], [f"b{k}"], "bad") for k in range(200)),
            *(node("ReduceMax", [f"b{k}"], [f"m{k}"], "bad") for k in range(200)),
            node("Sum", ["x", *(f"m{k}" for k in range(200))], ["y"]),
            one=np.ones(1),
            s=ints([2**23]),
        ),
        r"'bad'\]",
    ),
    "sorting constants, again and again": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a"], "fill"),
            *(node("TopK", ["a", "k"], [f"t{k}", f"u{k}"], "bad") for k in range(100)),
            node("Sum", ["x", *(f"t{k}" for k in range(100))], ["y"]),
            s=ints([2**21]),
            k=ints([1]),
        ),
        r"\[TopK 'bad'\] has constant inputs, and computing",
    ),
    "a loop that computes with constants": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a"], "fill"),
            node(
                "Loop",
                ["n", "", "a"],
                ["b"],
                "bad",
                body=graph(
                    node("Identity", ["c"], ["d"]),
                    node("Tanh", ["v"], ["w"], "bad"),
                    reads=("i", "c", "v"),
                    gives=("d", "w"),
                ),
            ),
            node("ReduceSum", ["b"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            s=ints([2**20]),
            n=np.array(5000),
        ),
        r"'bad'\]",
    ),
    "trees of constants": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a"], "fill"),
            node(
                "TreeEnsembleRegressor",
                ["a"],
                ["b"],
                "bad",
                domain="ai.onnx.ml",
                n_targets=1,
                post_transform="NONE",
                nodes_treeids=[k for k in range(300) for _ in range(3)],
                nodes_nodeids=[0, 1, 2] * 300,
                nodes_featureids=[0] * 900,
                nodes_values=[0.5] * 900,
                nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF"] * 300,
                nodes_truenodeids=[1, 0, 0] * 300,
                nodes_falsenodeids=[2, 0, 0] * 300,
                target_treeids=[k for k in range(300) for _ in range(2)],
                target_nodeids=[1, 2] * 300,
                target_ids=[0] * 600,
                target_weights=[1.0] * 600,
            ),
            node("ReduceSum", ["b"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            s=ints([2**21, 1]),
        ),
        r"'bad'\]",
    ),
    "kernels of constants": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a"], "fill"),
            node(
                "SVMRegressor",
                ["a"],
                ["b"],
                "bad",
                domain="ai.onnx.ml",
                kernel_type="RBF",
                kernel_params=[0.1, 0.0, 3.0],
                n_supports=512,
                support_vectors=[0.5] * 512,
                coefficients=[1.0] * 512,
                rho=[0.0],
                post_transform="NONE",
            ),
            node("ReduceSum", ["b"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            s=ints([2**16, 1]),
        ),
        r"'bad'\]",
    ),
    "a sequence of millions": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a"], "fill"),
            node("SplitToSequence", ["a", "n"], ["q"], "bad"),
            node("ConcatFromSequence", ["q"], ["b"], axis=0),
            node("ReduceSum", ["b"], ["r"]),
            node("Add", ["x", "r"], ["y"]),
            s=ints([2**22]),
            n=np.array(1),
        ),
        r"'bad'\] makes a sequence of 4194304 tensors",
    ),
    "a sequence of nothing, often": Hostile(
        chain(
            node("ConstantOfShape", ["s"], ["a"], "fill"),
            node("SplitToSequence", ["a"], ["q"], "bad"),
            node("SequenceLength", ["q"], ["n"]),
            node("Cast", ["n"], ["r"], to=1),
            node("Add", ["x", "r"], ["y"]),
            s=ints([2**40, 0]),
        ),
        r"'bad'\] makes a sequence of 1099511627776 tensors",
    ),
    "a sequence of pieces of x": Hostile(
        chain(
            node("Tile", ["x", "s"], ["a"], "wide"),
            node("SplitToSequence", ["a"], ["q"], "bad", axis=-1),
            node("SequenceAt", ["q", "n"], ["y"]),
            s=ints([1, 2**20]),
            n=np.array(1),
        ),
        r"'bad'\] makes a sequence of",
    ),
}
