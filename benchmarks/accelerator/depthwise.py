"""Three forms of SFace's depthwise layers: which one is fastest here, alone and inside the network?

- shifts: nine shifted multiply-adds, forward and backward (``pfiq_jax.recognizers.layers``).
- shifts, JAX's gradient: the same forward, differentiated by JAX.
- grouped: one grouped convolution, differentiated by JAX.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import jax
import jax.numpy as jnp
from flax import nnx

import pfiq_jax
from benchmarks.accelerator.programs import Program, Timing, measure
from benchmarks.accelerator.report import Report
from benchmarks.accelerator.subjects import PRECISIONS, disturbed_faces, in_precision
from pfiq_jax import Recognizer, SFace
from pfiq_jax.recognizers import layers
from pfiq_jax.recognizers.sface import PAIRS, STEM_WIDTH

Form = Callable[[jax.Array, jax.Array, int], jax.Array]


def shifts(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return layers.depthwise_conv(x, kernel, stride)


def shifts_with_jax_gradient(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return layers.depthwise_conv.fun(x, kernel, stride)  # without its custom gradient


def grouped(x: jax.Array, kernel: jax.Array, stride: int) -> jax.Array:
    return jax.lax.conv_general_dilated(
        x,
        kernel[:, :, None],
        (stride, stride),
        ((1, 1), (1, 1)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


FORMS: dict[str, Form] = {"shifts": shifts, "shifts, JAX's gradient": shifts_with_jax_gradient, "grouped": grouped}


class DepthwiseInForm(layers.DepthwiseConv):
    """A depthwise layer in another form, with the same parameters."""

    def __init__(self, channels: int, *, stride: int, form: str, rngs: nnx.Rngs):
        super().__init__(channels, stride=stride, rngs=rngs)
        self.form = form

    def __call__(self, x: jax.Array) -> jax.Array:
        return FORMS[self.form](x, self.kernel[...], self.stride)


@dataclass(frozen=True)
class SFaceInForm(SFace):
    """SFace with its depthwise layers in another form, and the same parameters."""

    form: str = "shifts"

    def build_trunk(self, rngs: nnx.Rngs) -> nnx.Module:
        trunk = super().build_trunk(rngs)
        for layer in trunk.layers:
            if isinstance(layer.conv, layers.DepthwiseConv):
                channels, stride = layer.conv.kernel[...].shape[-1], layer.conv.stride
                layer.conv = DepthwiseInForm(channels, stride=stride, form=self.form, rngs=rngs)
        return trunk


def shapes() -> list[tuple[int, int, int, int]]:
    """The different depthwise layers of SFace: input rows and columns, channels, stride, how many there are."""
    size, channels = 112, STEM_WIDTH
    found: dict[tuple[int, int, int], int] = {}
    for width, stride in PAIRS:
        found[size, channels, stride] = found.get((size, channels, stride), 0) + 1
        size, channels = size // stride, width
    return [(*shape, count) for shape, count in found.items()]


def slope(form: Form, stride: int) -> Callable[[jax.Array, jax.Array, jax.Array], jax.Array]:
    """The gradient by the layer's input, as the backward pass of a map computes it."""

    def gradient(x: jax.Array, kernel: jax.Array, weights: jax.Array) -> jax.Array:
        return jax.vjp(lambda x: form(x, kernel, stride), x)[1](weights)[0]

    return gradient


def report_layers(report: Report, *, batch: int, seconds: float) -> None:
    """Reports milliseconds of each layer alone, forward and backward."""
    programs, key = [], jax.random.key(0)
    for size, channels, stride, count in shapes():
        for dtype in ("float32", "bfloat16"):
            x = jax.random.normal(key, (batch, size, size, channels), dtype)
            kernel = jax.random.normal(key, (3, 3, channels), dtype)
            weights = jax.random.normal(key, (batch, size // stride, size // stride, channels), dtype)
            label = (f"{count} x {size}x{size}x{channels}, stride {stride}", dtype)
            for name, form in FORMS.items():
                if form is not shifts_with_jax_gradient:  # whose forward pass is that of the shifts
                    programs.append(Program((*label, name, "forward"), batch, _at_stride(form, stride), (x, kernel)))
                programs.append(Program((*label, name, "backward"), batch, slope(form, stride), (x, kernel, weights)))
    found = {}
    for each, timing in zip(programs, measure(programs, seconds), strict=True):
        found[each.labels] = f"{timing.queued * 1000:.3f}" if isinstance(timing, Timing) else timing
    columns = list(dict.fromkeys(labels[2:] for labels in found))
    rows = [(*label, *(found[*label, *column] for column in columns)) for label in dict.fromkeys(p[:2] for p in found)]
    report.table(
        f"Depthwise layers alone, {batch} faces",
        ["layer", "dtype", *(f"{name}, {way}" for name, way in columns)],
        rows,
        "Milliseconds per layer.",
    )


def report_network(report: Report, recognizer: Recognizer, *, batches: Sequence[int], seconds: float) -> None:
    """Reports SFace's embedding and map with each form, where the compiler can fuse it with its neighbours."""
    programs = []
    for batch in batches:
        images = jax.device_put(jnp.resize(disturbed_faces(min(batch, 32)), (batch, 112, 112, 3)))
        for precision in list(PRECISIONS)[1:]:
            for form in FORMS:
                network = in_precision(Recognizer(**{**vars(recognizer), "network": SFaceInForm(form=form)}), precision)
                for function in (Recognizer.embed, pfiq_jax.pixel_quality):
                    labels = (function.__name__, precision, str(batch), form)
                    programs.append(Program(labels, batch, function, (network, images)))
    rows = []
    for each, timing in zip(programs, measure(programs, seconds), strict=True):
        if isinstance(timing, Timing):
            cells = f"{each.faces / timing.queued:,.0f}", f"{timing.memory / 1e9:.2f}"
        else:
            cells = timing, ""
        rows.append((*each.labels, *cells))
    rows.sort(key=lambda row: row[:3])
    header = ["function", "precision", "batch", "form", "faces per second", "memory, GB"]
    report.table("Depthwise layers inside SFace", header, rows)


def _at_stride(form: Form, stride: int) -> Callable[[jax.Array, jax.Array], jax.Array]:
    return lambda x, kernel: form(x, kernel, stride)
