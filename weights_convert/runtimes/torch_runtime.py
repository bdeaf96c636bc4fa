"""Runs state dicts with the torch networks from which they were saved."""

from typing import TYPE_CHECKING

import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import Architecture, InceptionResNetV1, IResNet
from weights_convert.mappings import Fit
from weights_convert.mappings.adaface import ADAFACE, EVOLVE, IR_SE
from weights_convert.mappings.conventions import TORCH
from weights_convert.runtimes.outputs import Outputs
from weights_convert.source import Source

if TYPE_CHECKING:
    from torch import Tensor, nn


def run(source: Source, pixels: np.ndarray, fit: Fit, architecture: Architecture, *, layers: bool = False) -> Outputs:
    """Embeddings, qualities of a quality head, and the outputs of the layers with parameters.

    Args:
        source: the result of ``readers.read``.
        pixels: (batch, 3, height, width) float32, preprocessed as the network requires.
        fit: the mapping that matches the source.
        architecture: the architecture with the options found by ``convert.configure``.
        layers: whether to return the outputs of the layers.

    Raises:
        PfiqError: if there is no torch network for the source, for example for arrays of Keras.
    """
    model = _build(source, fit, architecture).eval()  # before torch is imported: without a network it is not required

    import torch

    model.load_state_dict({name: _tensor(source, fit.prefix + name, a) for name, a in model.state_dict().items()})
    outputs: dict[str, np.ndarray] = {}
    for name, module in model.named_modules():
        arrays = [array for array, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))]
        if layers and arrays:
            key = f"{fit.prefix}{name}.{arrays[0]}"
            module.register_forward_hook(lambda _, __, output, key=key: outputs.update({key: output.numpy()}))
    with torch.inference_mode():
        embeddings, qualities = model(torch.tensor(pixels)), None
        if isinstance(architecture, IResNet) and architecture.quality_head:
            qualities = model.get_submodule("qs")(embeddings)[:, 0].numpy()
    return Outputs(embeddings.numpy(), qualities, outputs)


def _build(source: Source, fit: Fit, architecture: Architecture) -> "nn.Module":
    if fit.mapping.convention is TORCH and isinstance(architecture, IResNet):
        if fit.mapping in (ADAFACE, IR_SE, EVOLVE):
            from weights_convert.torch_networks.adaface import TorchAdaFace

            return TorchAdaFace(
                architecture.depth,
                architecture.dim,
                architecture.epsilon,
                squeeze_excitation=architecture.squeeze_excitation,
                mid_norm=fit.mapping is ADAFACE,
            )
        from weights_convert.torch_networks.iresnet import TorchIResNet

        return TorchIResNet(
            architecture.depth, architecture.dim, architecture.epsilon, quality_head=architecture.quality_head
        )
    if isinstance(architecture, InceptionResNetV1):
        from weights_convert.torch_networks.facenet import TorchInceptionResNetV1

        return TorchInceptionResNetV1(architecture.dim, architecture.epsilon)
    raise PfiqError(
        f"{source.path}: there is no runtime for it to compare its conversion with; convert it without --verify."
    )


def _tensor(source: Source, name: str, template: "Tensor") -> "Tensor":
    """A source's array in the network's shape and dtype: slopes may be (channels, 1, 1), counters may be missing."""
    import torch

    array = source.arrays.get(name)
    return (
        template if array is None else torch.tensor(array.astype(np.float32)).to(template.dtype).reshape(template.shape)
    )
