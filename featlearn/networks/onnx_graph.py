"""A fitted network of dense layers as an ONNX graph, node by node, with the package onnx alone."""

from functools import singledispatch
from typing import Any

import numpy as np
from sklearn.utils.validation import check_is_fitted

from featlearn.kernels.activations import LEAK, SELU_ALPHA, SELU_SCALE
from featlearn.networks.layers import (
    Activation,
    Affine,
    AlphaDropout,
    BatchNorm,
    Dense,
    Dropout,
    FittedLayer,
    GaussianNoise,
    LargestPiece,
    Layer,
    Shape,
)

OPSET = 17


def exported(estimator: Any) -> tuple[list[FittedLayer], Shape]:
    """The layers of a fitted network, and the shape of its rows."""
    check_is_fitted(estimator)
    if estimator.prefix_:
        raise ValueError(
            f"{type(estimator).__name__}: {type(estimator.prefix_[0]).__name__} stands before the layers and has none "
            "to stand for it. Export a network that is fitted on its codes."
        )
    return estimator.layers_, estimator._first_shape


def dtype_of(layers: list[FittedLayer]) -> np.dtype:
    """That of their arrays."""
    return next(v.dtype for fitted in layers for v in (*fitted.params.values(), *fitted.state.values()))


def onnx_model(layers: list[FittedLayer], shape: Shape, who: str) -> Any:
    """The graph of dense layers as an onnx.ModelProto: rows "X" (n, d) to "scores" (n, k).

    Raises
    ------
    ImportError
        If onnx is missing.
    ValueError
        For a layer that has no nodes here.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError(f"{who} needs the package onnx, which is not installed: pip install onnx.") from error
    from onnx import helper, numpy_helper

    graph = _Graph(helper, numpy_helper, dtype_of(layers))
    at = "X"
    for fitted in layers:
        at = onnx_nodes(fitted.layer, fitted, graph, at)
        if not at:
            raise ValueError(
                f"{who}: there are no ONNX nodes for {type(fitted.layer).__name__} here. Export to .keras, or pass "
                "to_keras() on to a converter."
            )
    kind = helper.np_dtype_to_tensor_dtype(graph.dtype)
    graph.node("Identity", at, out="scores")
    units = layers[-1].layer.shape(shape)[-1] if len(shape) == 1 else None
    made = helper.make_graph(
        graph.nodes,
        "featlearn",
        [helper.make_tensor_value_info("X", kind, ["n", *shape])],
        [helper.make_tensor_value_info("scores", kind, ["n", units])],
        graph.arrays,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="featlearn")
    model.ir_version = 8  # the one of that opset, which older runtimes read
    onnx.checker.check_model(model)
    return model


class _Graph:
    """Nodes and arrays of a graph as it grows."""

    def __init__(self, helper: Any, numpy_helper: Any, dtype: np.dtype):
        self.helper, self.numpy_helper, self.dtype = helper, numpy_helper, dtype
        self.nodes: list[Any] = []
        self.arrays: list[Any] = []

    def node(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """A node; the name of its output."""
        out = out or f"{op.lower()}-{len(self.nodes)}"
        self.nodes.append(self.helper.make_node(op, list(inputs), [out], **attributes))
        return out

    def array(self, values: Any, dtype: Any = None) -> str:
        """A constant; its name."""
        name = f"array-{len(self.arrays)}"
        self.arrays.append(self.numpy_helper.from_array(np.array(values, dtype or self.dtype), name))
        return name

    def activation(self, name: str, x: str) -> str:
        """f(x)."""
        ops: dict[str, tuple[str, dict]] = {
            "sigmoid": ("Sigmoid", {}),
            "tanh": ("Tanh", {}),
            "relu": ("Relu", {}),
            "leaky": ("LeakyRelu", {"alpha": LEAK}),
            "softmax": ("Softmax", {"axis": -1}),
        }
        if name == "linear":
            return x
        if name == "step":
            kind = self.helper.np_dtype_to_tensor_dtype(self.dtype)
            return self.node("Cast", self.node("GreaterOrEqual", x, self.array(0)), to=kind)
        # Of nodes that runtimes have in float64, too.
        if name in ("elu", "selu"):
            scale, alpha = (SELU_SCALE, SELU_ALPHA) if name == "selu" else (1.0, 1.0)
            below = self.node("Sub", self.node("Exp", self.node("Min", x, self.array(0))), self.array(1))
            h = self.node("Add", self.node("Relu", x), self.node("Mul", below, self.array(alpha)))
            return self.node("Mul", h, self.array(scale))
        if name == "softplus":
            tail = self.node("Exp", self.node("Neg", self.node("Abs", x)))
            return self.node("Add", self.node("Relu", x), self.node("Log", self.node("Add", tail, self.array(1))))
        op, attributes = ops[name]
        return self.node(op, x, **attributes)


@singledispatch
def onnx_nodes(spec: Layer, fitted: FittedLayer, graph: _Graph, x: str) -> str:
    """Add the nodes of a layer; the name of its output, "" if it has none."""
    return ""


@onnx_nodes.register
def _(spec: Dense, fitted: FittedLayer, graph: _Graph, x: str) -> str:
    z = graph.node("MatMul", x, graph.array(fitted.params["W"]))
    z = graph.node("Add", z, graph.array(fitted.params["b"])) if spec.bias else z
    return graph.activation(spec.activation, z)


@onnx_nodes.register
def _(spec: Activation, fitted: FittedLayer, graph: _Graph, x: str) -> str:
    return graph.activation(spec.function, x)


@onnx_nodes.register(Dropout)
@onnx_nodes.register(AlphaDropout)
@onnx_nodes.register(GaussianNoise)
def _(spec: Layer, fitted: FittedLayer, graph: _Graph, x: str) -> str:
    return x


@onnx_nodes.register
def _(spec: Affine, fitted: FittedLayer, graph: _Graph, x: str) -> str:
    return graph.node("Mul", graph.node("Sub", x, graph.array(fitted.state["a"])), graph.array(fitted.state["c"]))


@onnx_nodes.register
def _(spec: BatchNorm, fitted: FittedLayer, graph: _Graph, x: str) -> str:
    slope = fitted.params["g"] / np.sqrt(fitted.state["variance"] + spec.eps)
    z = graph.node("Mul", graph.node("Sub", x, graph.array(fitted.state["mean"])), graph.array(slope))
    return graph.node("Add", z, graph.array(fitted.params["b"]))


@onnx_nodes.register
def _(spec: LargestPiece, fitted: FittedLayer, graph: _Graph, x: str) -> str:
    pieces = graph.node("Reshape", x, graph.array([0, -1, spec.pieces], np.int64))
    return graph.node("ReduceMax", pieces, axes=[-1], keepdims=0)
