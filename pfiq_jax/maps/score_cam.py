"""Score-CAM: what the network looks at, by how well the face keeps its embedding where each channel covers the rest.

Source: Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR workshops
2020, and two programs of it; Fu and Damer ("Explainability of the Implications of Supervised and Unsupervised Face
Image Quality Estimations Through Activation Map Variation Analyses", WACVW 2022, AMVA) made their maps of faces so.
"""

import functools
from typing import Literal

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike
from jaxtyping import Array, Bool, Float

from pfiq_jax.errors import PfiqError, check_choice
from pfiq_jax.images import as_batch
from pfiq_jax.maps.activation_map import activation_map, upsample
from pfiq_jax.quality.ser_fiq import normalize, safe_sqrt
from pfiq_jax.recognizers.network import KnownFeatures
from pfiq_jax.recognizers.recognizer import Recognizer

CHUNK_SIZE = 32  # masked images at a time: more are no faster on CPUs

Grids = Float[Array, "channels rows columns"]


def score_cam(
    recognizer: Recognizer,
    images: ArrayLike,
    *,
    variant: Literal["yiskw713", "wang"] = "yiskw713",
    score: Literal["cosine", "argmax_softmax", "neg_l2"] = "cosine",
    chunk_size: int = CHUNK_SIZE,
) -> Float[Array, "*batch height width"]:
    """Activation maps in [0, 1], from one forward pass and another for every channel of the features.

    Each channel A_c of the features, at the size of the image (bilinear), is a mask M_c. The image is covered by it,
    the score w_c tells how much of the face is still there, and the map is the positive part of the sum of w_c M_c,
    from 0 at its least pixel to 1 at its greatest. Higher is more active: more of what keeps the embedding lies there.
    It tells places of one face apart, not faces.

    - "yiskw713" (the program that AMVA's published code follows): the positive part of A_c, divided by its range over
      the image. Its least value is not taken off, so where a channel is nowhere 0 its mask leaves [0, 1], and what it
      covers 0..255, as in the published program.
    - "wang" (of the paper's authors): A_c from 0 to 1, channels that are flat left out, and the sum taken of A_c itself
      in place of M_c.

    A mask multiplies the network's input, as in both programs: what it covers gets the mean of the recogniser's
    preprocessing, mid-grey for ArcFace's. A network of one's own that takes pixels as they are (``PIXELS``) has the
    mean 0, so there covered pixels are black; if it centres them itself, let a ``Preprocessing`` do it instead.

    The images go through the network one after the other and masked copies in chunks, so an image's map is the same to
    the bit whatever else is in its batch, and memory does not grow with channels or images. Not meant to be
    differentiated: that would keep what every pass computes.

    Args:
        recognizer: the network to explain; its trunk is needed, so not one of ``with_features``.
        images: RGB, 0..255, aligned; (height, width, 3) or (batch, height, width, 3).
        variant: of the two programs.
        score: of a masked image. "cosine" of its embedding to the image's own; "argmax_softmax", the published, which
            takes the greatest dimension of the embedding for a class; "neg_l2", how much nearer its embedding is to
            the image's own than that of an image all covered is (the paper's increase of confidence, equation 6; the
            distance alone would make every weight negative and all maps 0).
        chunk_size: masked images in memory at a time.

    Raises:
        PfiqError: for images that do not fit, an unknown option, a chunk size below 1, or a recogniser of
            ``with_features``.

    References:
        Wang et al. 2020, section 3, algorithm 1; Fu and Damer 2022, activation maps.
    """
    check_choice("variant", variant, ("yiskw713", "wang"))
    check_choice("score", score, ("cosine", "argmax_softmax", "neg_l2"))
    check_masking(recognizer, chunk_size)
    batch = as_batch(images, recognizer.preprocessing.size)
    maps = _score_cam(recognizer, batch, variant=variant, score=score, chunk_size=chunk_size)
    return maps.reshape(*jnp.shape(images)[:-3], *maps.shape[1:])


# Jitted here, since a loop that is not would be compiled anew at every call.
@functools.partial(jax.jit, static_argnames=("variant", "score", "chunk_size"))
def _score_cam(
    recognizer: Recognizer, batch: Float[Array, "batch height width 3"], *, variant: str, score: str, chunk_size: int
) -> Float[Array, "batch height width"]:
    size = recognizer.preprocessing.size

    def explain(image: Float[Array, "height width 3"]) -> Float[Array, "height width"]:
        grids, embedding = channels_and_embedding(recognizer, image)
        if variant == "yiskw713":
            grids = jax.nn.relu(grids)
        weights = masked_scores(recognizer, image, embedding, grids, variant, score, chunk_size)
        if score == "neg_l2":
            (of_blank,) = similarity(recognizer.embed(blank_image(recognizer)), embedding, score)
            weights = weights - of_blank
        return activation_map(jnp.tensordot(weights, summands(grids, size, variant), 1, precision="highest"), size)

    return jax.lax.map(explain, batch)


def check_masking(recognizer: Recognizer, chunk_size: int) -> None:
    """Raises a PfiqError where images cannot be masked."""
    if chunk_size < 1:
        raise PfiqError(f"chunk_size is {chunk_size}; give 1 or more.")
    if isinstance(recognizer.network, KnownFeatures):
        raise PfiqError("masked images have features of their own; give the recogniser that with_features came from.")


def channels_and_embedding(
    recognizer: Recognizer, image: Float[Array, "height width 3"]
) -> tuple[Grids, Float[Array, "1 dim"]]:
    """The features of one image, a grid a channel, and its embedding, from one pass of the trunk."""
    features = recognizer.features(image[None])
    return jnp.moveaxis(features[0].astype(jnp.float32), -1, 0), recognizer.head(features)


def masked_scores(
    recognizer: Recognizer,
    image: Float[Array, "height width 3"],
    embedding: Float[Array, "1 dim"],
    grids: Grids,
    variant: str,
    score: str,
    chunk_size: int,
) -> Float[Array, " channels"]:
    """The scores of an image covered by each channel, one pass of the trunk each, chunk by chunk."""
    size = recognizer.preprocessing.size
    blank = blank_image(recognizer)

    def scores(grids: Grids) -> Float[Array, " channels"]:
        masks = channel_masks(grids, size, variant)[..., None]
        return similarity(recognizer.embed(blank + masks * (image[None] - blank)), embedding, score)

    channels = len(grids)
    chunk = min(chunk_size, channels)
    filled_up = jnp.pad(grids, ((0, -channels % chunk), (0, 0), (0, 0)))
    return jnp.ravel(jax.lax.map(scores, filled_up.reshape(-1, chunk, *grids.shape[1:])))[:channels]


def channel_masks(grids: Grids, size: tuple[int, int], variant: str) -> Float[Array, "channels height width"]:
    """The mask M_c of each channel."""
    maps = upsample(grids, size)
    low = jnp.min(maps, (1, 2), keepdims=True) if variant == "wang" else 0
    return (maps - low) / _spans(grids, maps)


def summands(grids: Grids, size: tuple[int, int], variant: str) -> Grids:
    """What the weights multiply, as grids: to bring them to the size of the image is linear, so it can wait."""
    if variant == "wang":
        return jnp.where(_varies(grids), grids, 0)

    def divided(grid: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
        return (grid[None] / _spans(grid[None], upsample(grid[None], size)))[0]

    return jax.lax.map(divided, grids, batch_size=CHUNK_SIZE)  # all maps at once are 50 to 200 MB


def blank_image(recognizer: Recognizer) -> Float[Array, "1 height width 3"]:
    """All covered: what the preprocessing turns into zeros."""
    mean = jnp.asarray(recognizer.preprocessing.mean, jnp.float32)
    if recognizer.preprocessing.channel_order == "BGR":
        mean = mean[::-1]
    return jnp.broadcast_to(mean, (1, *recognizer.preprocessing.size, 3))


def similarity(
    embeddings: Float[Array, "images dim"], own: Float[Array, "1 dim"], score: str
) -> Float[Array, " images"]:
    """How near embeddings are to the image's own; higher is nearer."""
    if score == "cosine":
        return jnp.sum(normalize(embeddings) * normalize(own), -1)
    if score == "argmax_softmax":
        return jax.nn.softmax(embeddings, -1)[:, jnp.argmax(own)]
    return -safe_sqrt(jnp.sum(jnp.square(embeddings - own), -1))


def _spans(grids: Grids, maps: Float[Array, "channels height width"]) -> Float[Array, "channels 1 1"]:
    """Range of each channel's map; 1 where the grid is flat, which rounding may hide in the map."""
    high, low = (extreme(maps, (1, 2), keepdims=True) for extreme in (jnp.max, jnp.min))
    return jnp.where(_varies(grids), high - low, 1)


def _varies(grids: Grids) -> Bool[Array, "channels 1 1"]:
    return jnp.max(grids, (1, 2), keepdims=True) > jnp.min(grids, (1, 2), keepdims=True)
