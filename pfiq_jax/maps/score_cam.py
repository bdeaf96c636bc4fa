"""Score-CAM: weight each channel's activation by how well the face, masked by it, keeps its embedding.

Source: Wang et al., "Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks", CVPR workshops
2020, and two published programs. Fu and Damer ("Explainability of the Implications of Supervised and Unsupervised Face
Image Quality Estimations Through Activation Map Variation Analyses", WACVW 2022, AMVA) made their maps this way.

As in both programs, a mask multiplies the network's input. Masked pixels become the mean of the recogniser's
preprocessing, which is mid-grey for ArcFace's. For a custom network that takes pixels as they are (``PIXELS``), the
mean is 0 and masked pixels are black. If such a network centres the pixels itself, use a ``Preprocessing`` instead.
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from pfiq_jax.bounds import relu
from pfiq_jax.errors import check_choice, check_count
from pfiq_jax.maps.activation_map import activation_map, upsample, varies
from pfiq_jax.recognizers.forward import Forward, Images, per_face, variants_at_once
from pfiq_jax.recognizers.recognizer import Recognizer
from pfiq_jax.vectors import norm, normalize

CHUNK_SIZE = 32  # masked images at a time; larger chunks are not faster on CPUs

Grids = Float[Array, "channels rows columns"]
Variant = Literal["amva", "paper"]
Score = Literal["cosine", "argmax_softmax", "neg_l2"]


@per_face
def score_cam(
    recognizer: Recognizer,
    images: Images,
    *,
    variant: Variant = "amva",
    score: Score = "cosine",
    chunk_size: int = CHUNK_SIZE,
) -> Float[Array, "*batch height width"]:
    """Score-CAM: activation maps in [0, 1], from one forward pass and one more per channel of the features.

    Each channel A_c of the features, enlarged to the size of the image (bilinear), is a mask M_c. The score w_c of the
    image that is masked by it measures how much of the face is left. The map is the positive part of the sum of
    w_c M_c, scaled so that its least pixel is 0 and its greatest 1. Higher is more active: such pixels keep more of the
    embedding. A map compares the places of one face. Maps of different faces cannot be compared.

    - "amva" (the program by yiskw713, which AMVA's published code follows): the positive part of A_c, divided by its
      range over the image. Its least value is not subtracted. The mask of a channel without zeros can therefore leave
      [0, 1], and the masked image 0..255, as in the published program.
    - "paper" (the program of the paper's authors): A_c scaled to 0..1, without channels that are flat. The sum is
      over A_c itself instead of M_c.

    Masked copies pass through the network in chunks, with all faces in parallel, so a batch that is distributed over
    devices stays distributed. Memory does not grow with the channels. The function is not meant to be differentiated,
    since the intermediate values of every pass would be kept.

    Args:
        recognizer: the network to explain.
        images: RGB, 0..255, aligned; one image, a batch, or their ``Forward``.
        variant: which of the two programs to follow.
        score: of a masked image. "cosine" is the similarity of its embedding to the image's own. "argmax_softmax", as
            published, treats the greatest dimension of the embedding as a class. "neg_l2" is how much nearer its
            embedding is to the image's own than the embedding of an image that is masked completely (the paper's
            increase of confidence, equation 6). The distance alone would make every weight negative and every map 0.
        chunk_size: masked images in memory at a time, but at least one per face.

    Raises:
        PfiqError: for images of another shape, dtype or range, an unknown option, and a chunk size below 1.

    References:
        Wang et al. 2020, section 3, algorithm 1; Fu and Damer 2022, activation maps.
    """
    check_choice("variant", variant, ("amva", "paper"))
    check_choice("score", score, ("cosine", "argmax_softmax", "neg_l2"))
    check_chunk_size(chunk_size)
    size = recognizer.preprocessing.size
    seen = recognizer.forward(images)
    at_once = variants_at_once(chunk_size, seen.images.shape[0])

    def explain(face: Forward) -> Float[Array, "height width"]:
        grids = channels_of(face)
        if variant == "amva":
            grids = relu(grids)
        weights = masked_scores(recognizer, face, grids, variant=variant, score=score, at_once=at_once)
        if score == "neg_l2":
            (of_blank,) = similarity(recognizer.embed(blank_image(recognizer)), face.embedding[None], score)
            weights = weights - of_blank
        return activation_map(jnp.tensordot(weights, summands(grids, size, variant), 1, precision="highest"), size)

    return jax.vmap(explain)(seen)


def check_chunk_size(chunk_size: int) -> None:
    """Raises a PfiqError for a chunk without images."""
    check_count("chunk_size", chunk_size)


def channels_of(face: Forward) -> Grids:
    """The features of one face, a grid per channel."""
    return jnp.moveaxis(face.features.astype(jnp.float32), -1, 0)


def masked_scores(
    recognizer: Recognizer,
    face: Forward,
    grids: Grids,
    *,
    variant: Variant,
    score: Score,
    at_once: int,
) -> Float[Array, " channels"]:
    """The scores of one face masked by each channel, from one pass of the trunk per channel, in chunks."""
    size = recognizer.preprocessing.size
    blank = blank_image(recognizer)

    def scores(grids: Grids) -> Float[Array, " channels"]:
        masks = channel_masks(grids, size, variant)[..., None]
        masked = blank + masks * (face.images[None] - blank)
        return similarity(recognizer.embed(masked), face.embedding[None], score)

    channels = len(grids)
    chunk = min(at_once, channels)
    filled_up = jnp.pad(grids, ((0, -channels % chunk), (0, 0), (0, 0)))
    return jnp.ravel(jax.lax.map(scores, filled_up.reshape(-1, chunk, *grids.shape[1:])))[:channels]


def channel_masks(grids: Grids, size: tuple[int, int], variant: Variant) -> Float[Array, "channels height width"]:
    """The mask M_c of each channel."""
    maps = upsample(grids, size)
    low = jnp.min(maps, (1, 2), keepdims=True) if variant == "paper" else 0
    return (maps - low) / _spans(grids, maps)


def summands(grids: Grids, size: tuple[int, int], variant: Variant) -> Grids:
    """The terms that are weighted and added, as grids: enlarging is linear, so it can follow the sum."""
    if variant == "paper":
        return jnp.where(varies(grids), grids, 0)

    def divided(grid: Float[Array, "rows columns"]) -> Float[Array, "rows columns"]:
        return (grid[None] / _spans(grid[None], upsample(grid[None], size)))[0]

    return jax.lax.map(divided, grids, batch_size=CHUNK_SIZE)  # all maps at once are 50 to 200 MB


def blank_image(recognizer: Recognizer) -> Float[Array, "1 height width 3"]:
    """An image that is masked completely: the preprocessing turns it into zeros."""
    mean = jnp.asarray(recognizer.preprocessing.mean, jnp.float32)
    if recognizer.preprocessing.channel_order == "BGR":
        mean = mean[::-1]
    return jnp.broadcast_to(mean, (1, *recognizer.preprocessing.size, 3))


def similarity(
    embeddings: Float[Array, "images dim"], own: Float[Array, "1 dim"], score: Score
) -> Float[Array, " images"]:
    """Similarity of embeddings to the image's own; higher is more similar."""
    if score == "cosine":
        return jnp.sum(normalize(embeddings) * normalize(own), -1)
    if score == "argmax_softmax":
        return jax.nn.softmax(embeddings, -1)[:, jnp.argmax(own)]
    return -norm(embeddings - own)


def _spans(grids: Grids, maps: Float[Array, "channels height width"]) -> Float[Array, "channels 1 1"]:
    """Range of each channel's map; 1 where the grid is flat."""
    high, low = (extreme(maps, (1, 2), keepdims=True) for extreme in (jnp.max, jnp.min))
    return jnp.where(varies(grids), high - low, 1)
