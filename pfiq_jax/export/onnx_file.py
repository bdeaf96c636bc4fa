"""ONNX files, written by jax2onnx from a program in operations for which ONNX runtimes have fast kernels."""

import contextlib
import json
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.extend.core import Jaxpr, Literal, jaxprs_in_params

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers.depthwise_conv import depthwise_conv_p

NHWC = ("NHWC", "HWIO", "NHWC")
RANDOM = ("random_", "threefry", "rng_")
BROADCASTING = ("add", "sub", "mul", "div", "max", "min", "ge", "gt", "le", "lt", "eq", "ne", "and", "or")
CALLS = ("jaxpr", "call_jaxpr")  # parameters that hold a function which is called once


def content_of(
    path: Path, compute: Callable[[Any], dict[str, Any]], images: jax.ShapeDtypeStruct, metadata: Mapping[str, Any]
) -> bytes:
    """The content of an ONNX file, whose input is named ``images`` and whose outputs have the names of the results.

    Args:
        path: the file, for messages.
        compute: function from images to results by name.
        images: their shape, with a symbolic batch.
        metadata: written into the file.

    Raises:
        PfiqError: for random numbers and other operations that cannot be written, and if jax2onnx is not installed.
    """
    try:
        import jax2onnx
    except ImportError as error:
        raise PfiqError(
            f"{path}: ONNX files need jax2onnx; install it with `pip install 'pfiq-jax[export]'`."
        ) from error
    # Traced twice before jax2onnx sees it: it replaces Flax's layers by its own, which have no gradients.
    original = jax.make_jaxpr(compute)(images)
    names = sorted(jax.eval_shape(compute, images))
    if _is_random(original.jaxpr):
        raise PfiqError(f"{path}: ONNX files cannot contain a method with random numbers; write a .export file.")
    flat = jax.make_jaxpr(lambda images: evaluate_for_onnx(original.jaxpr, original.consts, [images]))(images)
    loggers = [logging.getLogger(name) for name in ("onnx_ir", "jax2onnx")]
    levels = [logger.level for logger in loggers]
    try:
        for logger in loggers:
            logger.setLevel(logging.ERROR)  # they warn about types that they infer later
        model = jax2onnx.to_onnx(
            lambda images: tuple(evaluate_for_onnx(flat.jaxpr, flat.consts, [images])),
            [images],
            model_name="pfiq_jax",
            input_names=["images"],
            output_names=names,
        )
    except Exception as error:  # jax2onnx raises exceptions of many classes
        reason = " ".join(str(error).split())[:150]
        raise PfiqError(f"{path}: cannot be written as ONNX ({reason}); write a .export file.") from error
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
    _merge_prelus(model.graph)
    drop_unread(model.graph)
    for name, value in metadata.items():
        model.metadata_props.add(key=name, value=value if isinstance(value, str) else json.dumps(value))
    return model.SerializeToString()


def _is_random(jaxpr: Jaxpr) -> bool:
    return any(
        equation.primitive.name.startswith(RANDOM) or any(map(_is_random, jaxprs_in_params(equation.params)))
        for equation in jaxpr.eqns
    )


def _merge_prelus(graph: Any) -> None:
    """Replaces the three operations of each PReLU, where(x >= 0, x, slope x), by one. ``graph`` is an ONNX graph."""
    made_by = {name: node for node in graph.node for name in node.output}
    zeros = {each.name for each in graph.initializer if not any(each.dims) and not any(each.raw_data)}
    for node in graph.node:
        if node.op_type != "Where":
            continue
        condition, product = (made_by.get(node.input[index]) for index in (0, 2))
        x = node.input[1]
        if (
            (condition is not None and product is not None)
            and (condition.op_type == "GreaterOrEqual" and condition.input[0] == x and condition.input[1] in zeros)
            and (product.op_type == "Mul" and x in product.input)
        ):
            (slope,) = (each for each in product.input if each != x)
            node.op_type = "PRelu"
            node.input[:] = [x, slope]


def drop_unread(graph: Any) -> None:
    """Removes operations and constants that no output depends on; runtimes warn of such constants."""
    used = {each.name for each in graph.output}
    for node in reversed(list(graph.node)):
        if used.isdisjoint(node.output):
            graph.node.remove(node)
        else:
            subgraphs = [each.g for each in node.attribute if each.HasField("g")]
            for subgraph in subgraphs:
                drop_unread(subgraph)
            used.update(node.input, *map(_read_inside, subgraphs))
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in used:
            del graph.initializer[index]


def _read_inside(graph: Any) -> set[str]:
    """Names that the nodes of a subgraph, such as a loop, read."""
    return {name for node in graph.node for name in node.input} | {each.name for each in graph.output}


def snippet_of(path: Path) -> str:
    """Python that loads and runs a file."""
    return "\n".join(
        [
            "import onnxruntime",
            f'session = onnxruntime.InferenceSession("{path.name}")',
            'results = dict(zip((each.name for each in session.get_outputs()), session.run(None, {"images": images})))',
        ]
    )


def evaluate_for_onnx(jaxpr: Jaxpr, constants: list[Any], arguments: list[Any]) -> list[Any]:
    """Evaluates a program without its inner calls, and without operations that no result depends on.

    Operations on constants are computed at once. Convolutions and matrix products get forms that jax2onnx can write and
    that ONNX runtimes fuse with the operations after them.
    """
    values = dict(zip((*jaxpr.constvars, *jaxpr.invars), (*constants, *arguments), strict=True))
    thin: dict[Any, Any] = {}  # values before they were broadcast

    def read(variable: Any) -> Any:
        return variable.val if isinstance(variable, Literal) else values[variable]

    for equation in _needed(jaxpr):
        inputs = [read(each) for each in equation.invars]
        if equation.primitive.name in BROADCASTING:
            inputs = _thinned(
                inputs, [None if isinstance(each, Literal) else thin.get(each) for each in equation.invars]
            )
        is_constant = not any(isinstance(each, jax.core.Tracer) for each in inputs)
        is_static = all(isinstance(size, int) for each in equation.outvars for size in each.aval.shape)
        with jax.ensure_compile_time_eval() if is_constant and is_static else contextlib.nullcontext():
            outputs = _outputs_of(equation, inputs)
            if equation.primitive is lax.broadcast_in_dim_p and (shape := _shape_with_ones(equation)):
                thin[equation.outvars[0]] = lax.broadcast_in_dim(
                    inputs[0], shape, equation.params["broadcast_dimensions"]
                )
        values.update(zip(equation.outvars, outputs, strict=True))
    return [read(each) for each in jaxpr.outvars]


def _outputs_of(equation: Any, inputs: list[Any]) -> list[Any]:
    parameters = equation.params
    called = next((parameters[name] for name in CALLS if name in parameters), None)
    if called is not None and equation.primitive.name != "scan":
        return evaluate_for_onnx(called.jaxpr, called.consts, inputs)
    if equation.primitive is depthwise_conv_p:
        return [_grouped_conv(*inputs, **parameters)]
    if equation.primitive is lax.conv_general_dilated_p:
        return [_with_usual_kernel(*inputs, **parameters)]
    if equation.primitive is lax.sub_p and not isinstance(inputs[1], jax.core.Tracer):
        return [lax.add_p.bind(inputs[0], -inputs[1])]
    if equation.primitive is lax.dot_general_p and (kernel := _pointwise(equation, inputs[1])) is not None:
        return [lax.conv_general_dilated(inputs[0], kernel, (1, 1), "VALID", dimension_numbers=NHWC)]
    outputs = equation.primitive.bind(*inputs, **parameters)
    return outputs if equation.primitive.multiple_results else [outputs]


def _thinned(inputs: list[Any], thin: list[Any]) -> list[Any]:
    """Operands of an elementwise operation without broadcasts, as long as one has the shape of the result."""
    if all(each is not None or not np.ndim(value) for each, value in zip(thin, inputs, strict=True)):
        return inputs
    return [value if each is None else each for value, each in zip(inputs, thin, strict=True)]


def _shape_with_ones(equation: Any) -> tuple[Any, ...] | None:
    """The shape with 1 along the axes that a broadcast adds or repeats."""
    operand, target = equation.invars[0].aval, equation.outvars[0].aval
    if not target.ndim:
        return None
    shape = [1] * target.ndim
    for size, axis in zip(operand.shape, equation.params["broadcast_dimensions"], strict=True):
        shape[axis] = size
    return tuple(shape)


def _pointwise(equation: Any, matrix: Any) -> Any:
    """The kernel of the 1x1 convolution that equals a product of images with a matrix; None for other products."""
    (contracted, (axis, *_)), batch = equation.params["dimension_numbers"]
    ranks = tuple(each.aval.ndim for each in equation.invars)
    if ranks != (4, 2) or tuple(contracted) != (3,) or any(batch):
        return None
    return (matrix if axis == 0 else matrix.T)[None, None]


def _needed(jaxpr: Jaxpr) -> list[Any]:
    """The equations that a result depends on."""
    needed, equations = {each for each in jaxpr.outvars if not isinstance(each, Literal)}, []
    for equation in reversed(jaxpr.eqns):
        if not needed.isdisjoint(equation.outvars):
            needed.update(each for each in equation.invars if not isinstance(each, Literal))
            equations.append(equation)
    return equations[::-1]


def _grouped_conv(x: Any, kernel: Any, *, stride: int, transposed: bool) -> jax.Array:
    """A depthwise convolution as one operation, which ONNX runtimes compute faster than nine shifted products."""
    kernel = kernel.reshape(kernel.shape[-3:])[:, :, None]
    options: dict[str, Any] = {"dimension_numbers": NHWC, "feature_group_count": x.shape[-1]}
    if not transposed:
        return lax.conv_general_dilated(x, kernel, (stride, stride), ((1, 1), (1, 1)), **options)
    padding = ((1, stride), (1, stride))
    return lax.conv_general_dilated(x, kernel[::-1, ::-1], (1, 1), padding, lhs_dilation=(stride, stride), **options)


def _with_usual_kernel(x: Any, kernel: Any, *, dimension_numbers: Any, **parameters: Any) -> jax.Array:
    """A convolution with its kernel in the order of HWIO: in gradients JAX has HWOI, which jax2onnx refuses."""
    out, into, *places = dimension_numbers.rhs_spec
    axes = (*places, into, out)
    if axes != tuple(range(kernel.ndim)):
        kernel = lax.transpose(kernel, axes)
        dimension_numbers = dimension_numbers._replace(rhs_spec=(3, 2, 0, 1))
    return lax.conv_general_dilated_p.bind(x, kernel, dimension_numbers=dimension_numbers, **parameters)
