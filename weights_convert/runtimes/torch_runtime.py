"""State dicts, run by the torch networks that they were saved from."""

from typing import TYPE_CHECKING

import numpy as np

from pfiq_jax.errors import PfiqError
from pfiq_jax.recognizers import Architecture, InceptionResNetV1, IResNet
from weights_convert.mappings import Fit
from weights_convert.mappings.adaface import ADAFACE, IR_SE
from weights_convert.mappings.conventions import TORCH
from weights_convert.source import Source

if TYPE_CHECKING:
    from torch import nn


def run(
    source: Source, pixels: np.ndarray, fit: Fit, network: Architecture, *, layers: bool = False
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """The embeddings (batch, dim) of (batch, 3, height, width) float32 pixels as the network wants them.

    Args:
        source: as ``readers.read`` gave it.
        pixels: preprocessed.
        fit: how its arrays are named.
        network: with the options that ``convert.configure`` found.
        layers: also return what the layers with parameters give, by the name of the first array of each.

    Raises:
        PfiqError: for arrays that no torch network has names for, as those of Keras.
    """
    model = _build(source, fit, network).eval()  # first: where there is none, torch is no mend

    import torch

    model.load_state_dict({name: _tensor(source, fit.prefix + name, a) for name, a in model.state_dict().items()})
    outputs: dict[str, np.ndarray] = {}
    for name, module in model.named_modules():
        arrays = [array for array, _ in (*module.named_parameters(recurse=False), *module.named_buffers(recurse=False))]
        if layers and arrays:
            key = f"{fit.prefix}{name}.{arrays[0]}"
            module.register_forward_hook(lambda _, __, output, key=key: outputs.update({key: output.numpy()}))
    with torch.inference_mode():
        embeddings = model(torch.tensor(pixels))
        if layers and isinstance(network, IResNet) and network.quality_head:
            model.get_submodule("qs")(embeddings)
    return embeddings.numpy(), outputs


def _build(source: Source, fit: Fit, network: Architecture) -> "nn.Module":
    if fit.mapping.convention is TORCH and isinstance(network, IResNet):
        if fit.mapping in (ADAFACE, IR_SE):
            from weights_convert.torch_networks.adaface import TorchAdaFace

            return TorchAdaFace(
                network.depth,
                network.dim,
                network.epsilon,
                squeeze_excitation=network.squeeze_excitation,
                mid_norm=fit.mapping is ADAFACE,
            )
        from weights_convert.torch_networks.iresnet import TorchIResNet

        return TorchIResNet(network.depth, network.dim, network.epsilon, quality_head=network.quality_head)
    if isinstance(network, InceptionResNetV1):
        from weights_convert.torch_networks.facenet import TorchInceptionResNetV1

        return TorchInceptionResNetV1(network.dim, network.epsilon)
    raise PfiqError(
        f"{source.path}: there is no runtime here to compare its conversion with; convert it without --verify."
    )


def _tensor(source: Source, name: str, template):
    """A source's array as the network wants it: some keep PReLU slopes as (channels, 1, 1), some lack counters."""
    import torch

    array = source.arrays.get(name)
    return template if array is None else torch.tensor(np.asarray(array)).to(template.dtype).reshape(template.shape)
