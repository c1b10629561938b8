"""Operators that are not of the standard: those that ONNX Runtime writes into optimized and quantized models.

Its documentation (ContribOperators.md) says what they compute; here are the inputs and attributes that they may have.
"""

from __future__ import annotations

from typing import Any

from onnx import defs, helper

MICROSOFT = "com.microsoft"

STRING, FLOAT, INTS, FLOATS = "string", "float", "ints", "floats"  # attributes without a default
PRODUCT: dict[str, Any] = {"alpha": 1.0, "transA": 0, "transB": 0}
BATCH_PRODUCT = PRODUCT | {"transBatchA": 0, "transBatchB": 0}
CONVOLUTION: dict[str, Any] = {
    "auto_pad": "NOTSET", "dilations": INTS, "group": 1, "kernel_shape": INTS, "pads": INTS, "strides": INTS,
}  # fmt: skip
POOL: dict[str, Any] = {
    "auto_pad": "NOTSET", "ceil_mode": 0, "channels_last": 0, "count_include_pad": 0, "kernel_shape": INTS,
    "pads": INTS, "strides": INTS,
}  # fmt: skip
HEADS: dict[str, Any] = {"num_heads": 0, "scale": FLOAT, "unidirectional": 0, "mask_filter_value": -10000.0}
LSTM: dict[str, Any] = {
    "activation_alpha": FLOATS, "activation_beta": FLOATS, "activations": "strings", "clip": FLOAT,
    "direction": "forward", "hidden_size": 0, "input_forget": 0,
}  # fmt: skip

#: By domain and name: inputs (a question mark: may be left out; a star: any number), outputs, attributes with defaults.
SIGNATURES: dict[tuple[str, str], tuple[str, int, dict[str, Any]]] = {
    ("", "SimplifiedLayerNormalization"): ("x scale", 2, {"axis": -1, "epsilon": 1e-5, "stash_type": 1}),
} | {
    (MICROSOFT, name): signature
    for name, signature in {
        "Attention": (
            "x weights bias? mask? past? attention_bias? past_length?", 2,
            HEADS | {"qkv_hidden_sizes": INTS, "past_present_share_buffer": 0, "do_rotary": 0},
        ),
        "BiasGelu": ("a b", 1, {}),
        "CDist": ("a b", 1, {"metric": "sqeuclidean"}),
        "DequantizeLinear": ("x scale zero?", 1, {"axis": 1, "block_size": 0}),
        "DynamicQuantizeLSTM": ("x W R B? lengths? h? c? P? W_scale W_zero R_scale R_zero", 3, LSTM),
        "DynamicQuantizeMatMul": ("a b b_scale b_zero? bias?", 1, {}),
        "EmbedLayerNormalization": (
            "ids segments? words positions segment_table? gamma beta mask? position_ids?", 3,
            {"epsilon": 1e-12, "mask_index_type": 0},
        ),
        "FastGelu": ("x bias?", 1, {}),
        "FusedConv": ("x W B? z?", 1, CONVOLUTION | {"activation": STRING, "activation_params": FLOATS}),
        "FusedGemm": (
            "a b c?", 1,
            PRODUCT | {"beta": 1.0, "activation": STRING, "activation_alpha": FLOAT, "activation_beta": FLOAT,
                       "activation_gamma": FLOAT},
        ),
        "FusedMatMul": ("a b", 1, BATCH_PRODUCT),
        "Gelu": ("x", 1, {}),
        "MatMulIntegerToFloat": ("a b a_scale b_scale a_zero? b_zero? bias?", 1, {}),
        "MultiHeadAttention": (
            "query key? value? bias? mask? attention_bias? past_key? past_value? past_length? cache?", 4, HEADS
        ),
        "NhwcMaxPool": ("x", 1, POOL | {"dilations": INTS}),
        "QAttention": (
            "x weights bias x_scale weight_scale mask? x_zero? weight_zero? past?", 2,
            HEADS | {"past_present_share_buffer": 0, "do_rotary": 0},
        ),
        "QGemm": ("a a_scale a_zero b b_scale b_zero c? y_scale? y_zero?", 1, PRODUCT),
        "QLinearAdd": ("a a_scale a_zero? b b_scale b_zero? y_scale y_zero?", 1, {}),
        "QLinearAveragePool": ("x x_scale x_zero? y_scale y_zero?", 1, POOL),
        "QLinearConcat": ("y_scale y_zero parts*", 1, {"axis": 0}),
        "QLinearConv": (
            "x x_scale x_zero W W_scale W_zero y_scale y_zero B?", 1, CONVOLUTION | {"channels_last": 0}
        ),
        "QLinearGlobalAveragePool": ("x x_scale x_zero y_scale y_zero", 1, {"channels_last": 0}),
        "QLinearLeakyRelu": ("x x_scale x_zero? y_scale y_zero?", 1, {"alpha": 0.01}),
        "QLinearMul": ("a a_scale a_zero? b b_scale b_zero? y_scale y_zero?", 1, {}),
        "QLinearSigmoid": ("x x_scale x_zero? y_scale y_zero?", 1, {}),
        "QLinearSoftmax": ("x x_scale x_zero? y_scale y_zero", 1, {"axis": -1, "opset": 13}),
        "QLinearWhere": ("condition x x_scale x_zero y y_scale y_zero z_scale z_zero", 1, {}),
        "QuantizeLinear": ("x scale zero?", 1, {"axis": 1, "block_size": 0}),
        "QuickGelu": ("x", 1, {"alpha": 1.702}),
        "SkipLayerNormalization": ("x skip gamma beta? bias?", 4, {"epsilon": 1e-12}),
        "SkipSimplifiedLayerNormalization": ("x skip gamma bias?", 4, {"epsilon": 1e-12}),
        "TransposeMatMul": ("a b", 1, PRODUCT),
    }.items()
}  # fmt: skip


def schema_of(domain: str, name: str) -> defs.OpSchema | None:
    """The signature in the words of ONNX's schemas; None where there is none. What type a result has is left open."""
    if (domain, name) not in SIGNATURES:
        return None
    inputs, n_outputs, attributes = SIGNATURES[domain, name]
    kinds = defs.OpSchema.FormalParameterOption
    options = {"?": kinds.Optional, "*": kinds.Variadic}
    words = inputs.split()
    required = sum(1 for k in range(len(words)) if any(word[-1] != "?" for word in words[k:]))  # "" may stand there
    return defs.OpSchema(
        name,
        domain,
        1,
        inputs=[
            defs.OpSchema.FormalParameter(
                word.rstrip("?*"),
                f"T{k}",
                param_option=options.get(word[-1], kinds.Single) if word[-1] == "*" or k >= required else kinds.Single,
            )
            for k, word in enumerate(words)
        ],
        outputs=[
            defs.OpSchema.FormalParameter(f"y{k}", f"U{k}", param_option=kinds.Optional if k else kinds.Single)
            for k in range(n_outputs)
        ],
        type_constraints=[
            (letter, ["tensor(float)", "tensor(int8)"], "")
            for letter in [*(f"T{k}" for k in range(len(words))), *(f"U{k}" for k in range(n_outputs))]
        ],
        attributes=[attribute(key, default) for key, default in attributes.items()],
    )


def attribute(name: str, default: Any) -> defs.OpSchema.Attribute:
    """With its default, or with its type alone."""
    types = defs.OpSchema.AttrType
    without = {
        STRING: types.STRING,
        FLOAT: types.FLOAT,
        INTS: types.INTS,
        FLOATS: types.FLOATS,
        "strings": types.STRINGS,
    }
    if isinstance(default, str) and default in without:
        return defs.OpSchema.Attribute(name, without[default], required=False)
    return defs.OpSchema.Attribute(name, helper.make_attribute(name, default))
