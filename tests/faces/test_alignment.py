import csv
import re
import tracemalloc

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pfiq_jax import PfiqError, Preprocessing, Recognizer, SFace
from pfiq_jax.faces import DEMO_FACE, align, read_image
from pfiq_jax.faces.alignment import align_on_host, matrix_of
from pfiq_jax.faces.readers import reader_of
from pfiq_jax.faces.resampling import bilinear, shrinkage, sources
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE

SIZE = (112, 112)
TEMPLATE = np.array(ARCFACE_TEMPLATE)


def on_device(photo, landmarks, size=SIZE):
    return np.rint(align(photo, landmarks, size=size)).astype(np.uint8)


def on_host(photo, landmarks, size=SIZE):
    return align_on_host(photo, matrix_of(landmarks, photo.shape[:2], size), size)


both = pytest.mark.parametrize("cut", [on_device, on_host])


def noise(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (*shape, 3), np.uint8)


def waves(height: int, width: int) -> np.ndarray:
    """A picture without detail, in float32."""
    y, x = np.indices((height, width))
    return np.stack([128 + 100 * np.sin(x / 9 + y / (13 + c)) for c in range(3)], -1).astype(np.float32)


def moved(scale: float, turn: float = 0.0, x: float = 0.0, y: float = 0.0) -> np.ndarray:
    """Landmarks of a face that is shrunk so many times in its crop, around the centre of the crop."""
    matrix = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return (TEMPLATE - 56) @ matrix + (56 + x, 56 + y)


@both
def test_landmarks_on_the_template_leave_the_image_as_it_is(cut):
    image = noise(*SIZE)
    np.testing.assert_array_equal(cut(image, ARCFACE_TEMPLATE), image)


@both
def test_undoes_a_shift_and_is_black_outside(cut):
    image = noise(*SIZE)
    crop = cut(image, TEMPLATE - (10, 20))
    np.testing.assert_array_equal(crop[20:, 10:], image[:-20, :-10])
    assert not crop[:20].any()
    assert not crop[:, :10].any()


@both
@settings(deadline=None)
@given(scale=st.floats(0.5, 1.5), turn=st.floats(-3, 3), x=st.floats(-20, 20), y=st.floats(-20, 20))
def test_any_similarity_is_undone(cut, scale, turn, x, y):
    """A linear ramp survives bilinear sampling, so a crop of it tells where each of its pixels came from."""
    columns, rows = np.meshgrid(np.arange(112.0), np.arange(112.0))
    image = np.stack([columns, rows, 0 * rows], -1).astype(np.uint8)
    matrix = scale * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    crop = cut(image, moved(scale, turn, x, y))
    wanted = (np.stack([columns, rows], -1) - 56) @ matrix + (56 + x, 56 + y)
    inside = ((wanted >= 0) & (wanted <= 111)).all(-1)
    assert np.abs(crop[..., :2][inside] - wanted[inside]).max(initial=0) <= 0.5 + 1e-3


@both
@pytest.mark.parametrize("size", [(56, 56), (224, 224)])
def test_another_size_shows_the_same_face(cut, size):
    rows = np.linspace(0, 255, 112)
    image = np.repeat(np.repeat(rows[:, None], 112, 1)[..., None], 3, -1).astype(np.uint8)
    crop = cut(image, ARCFACE_TEMPLATE, size)
    assert crop.shape == (*size, 3)
    assert np.abs(crop[size[0] // 2, :-1] - image[56, 0].astype(int)).max() <= 1


def test_repeats_opencv(data):
    """The references were cut with cv2.warpAffine. Larger faces show aliasing there."""
    compared = 0
    with (data / "faces/aligned112/landmarks.csv").open() as file:
        for row in csv.DictReader(file):
            folder, name = row["path"].removesuffix(".png").split("/")
            photos = [photo for photo in (data / "faces/raw" / folder).iterdir() if photo.stem == name]
            photos = photos or list((data / "faces/raw" / folder).glob(re.sub(r"_face\d$", ".*", name)))
            if not photos:  # of the group picture, only the crops are there
                continue
            points = [[float(row[point + axis]) for axis in "xy"] for point in ("re", "le", "n", "rm", "lm")]
            photo = read_image(photos[0])
            if shrinkage(matrix_of(points, photo.shape[:2], SIZE)) <= 2:
                difference = np.abs(
                    on_host(photo, points).astype(int) - read_image(data / "faces/aligned112" / row["path"])
                )
                assert (difference <= 1).mean() >= 0.999, row["path"]
                compared += 1
    assert compared >= 30


@pytest.mark.parity
def test_equals_opencv_with_the_same_matrix(required, data):
    cv2 = required("cv2")
    shares = []
    with (data / "lfw_photos/opencv_faces.csv").open() as file:
        for row in csv.DictReader(file):
            photo = read_image(data / "lfw_photos" / row["path"])
            points = np.array([[float(row[f"{axis}{point}"]) for axis in "xy"] for point in range(1, 6)])
            if points.max() >= 250:  # cut by the border
                continue
            matrix = matrix_of(points, photo.shape[:2], SIZE)
            theirs = cv2.warpAffine(photo, matrix, SIZE, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP)
            shares.append((np.abs(on_device(photo, points) - theirs.astype(int)) <= 1).mean())
    assert len(shares) > 230
    assert min(shares) >= 0.999


def test_host_and_device_agree_at_every_size():
    """From enlarged fourfold to shrunk ninefold, turned, and partly outside."""
    photo = noise(600, 800)
    for scale in (0.25, 1, 1.9, 2, 2.1, 3.7, 4, 5.5, 9):
        points = moved(scale, turn=scale, x=300 + 100 / scale, y=200)
        assert np.abs(on_device(photo, points) - on_host(photo, points).astype(int)).max() <= 1, scale


@both
def test_averages_boxes_where_more_than_twofold_is_left(cut):
    photo = noise(600, 800)
    origin = np.arange(112)
    for scale, width in ((2, 1), (4, 2), (3, 2)):  # the pixels of the crop start at the first pixel
        crop = cut(photo, TEMPLATE * scale)
        means = photo[:598, :798].astype(float)
        means = means.reshape(598 // width, width, 798 // width, width, 3).mean((1, 3)) if width > 1 else means
        x, y = np.meshgrid(*[(origin * scale + 0.5) / width - 0.5] * 2)
        assert np.abs(crop - bilinear(means, x, y)).max() <= 0.5 + 1e-3, scale


def test_a_large_face_shows_no_aliasing(recognizer):
    """A noisy photograph of 12 megapixels, against the crop of the same photograph after Pillow has shrunk it."""
    width = 12 * 112
    face = Image.open(DEMO_FACE).convert("RGB").resize((width, width), Image.Resampling.BICUBIC)
    photo = np.random.default_rng(0).normal(90, 20, (3000, 4000, 3)).astype(np.float32)
    photo[100 : 100 + width, 900 : 900 + width] += np.asarray(face, np.float32) - 90
    photo = np.rint(photo.clip(0, 255)).astype(np.uint8)
    points = (TEMPLATE + 0.5) * 12 - 0.5 + (900, 100)

    small = Image.fromarray(photo).resize((400, 300), Image.Resampling.LANCZOS)
    wanted = on_host(np.asarray(small), (points + 0.5) / 10 - 0.5)
    plain = bilinear(photo, *sources(matrix_of(points, photo.shape[:2], SIZE), SIZE))
    crops = np.stack([wanted, plain, on_device(photo, points), on_host(photo, points)]).astype(np.float32)
    embeddings = np.asarray(recognizer.embed(crops))
    cosines = embeddings @ embeddings[0] / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(embeddings[0])
    assert cosines[1] < 0.96
    assert cosines[2:].min() > 0.99


def test_a_large_photograph_is_never_copied():
    photo = np.full((5000, 5000, 3), 100, np.uint8)
    points = TEMPLATE * 40
    tracemalloc.start()
    crop = on_host(photo, points)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert crop[56, 56].tolist() == [100] * 3
    assert peak < photo.nbytes / 2


def test_batches_and_several_faces_per_photograph():
    photos = np.stack([noise(150, 200), noise(150, 200)[::-1]])
    faces = np.stack([moved(1.1), moved(0.7, 0.2), moved(1.3, -0.4, 50, 30)])
    several = align(photos, np.stack([faces, faces + 3]))
    assert several.shape == (2, 3, 112, 112, 3)
    assert several.dtype == jnp.float32
    for index, (photo, points) in enumerate(zip(photos, (faces, faces + 3), strict=True)):
        np.testing.assert_allclose(align(photo, points), several[index], atol=1e-3)
        np.testing.assert_allclose(align(photo, points[1]), several[index, 1], atol=1e-3)
    np.testing.assert_allclose(align(photos, np.stack([faces[0], faces[2] + 3])), several[[0, 1], [0, 2]], atol=1e-3)
    mapped = jax.vmap(align, (None, 0))(photos[0], jnp.asarray(faces, jnp.float32))
    np.testing.assert_allclose(mapped, several[0], atol=1e-3)
    assert align(photos[0], np.zeros((0, 5, 2))).shape == (0, 112, 112, 3)


def test_black_padding_and_the_type_of_the_pixels_change_nothing():
    photo = noise(301, 403)
    crop = align(photo, moved(2.6, 0.3, 100, 100))
    padded = np.pad(photo, ((0, 100), (0, 10), (0, 0)))
    for other in (padded, padded.astype(np.float32), padded.astype(np.int32)):
        np.testing.assert_allclose(align(other, moved(2.6, 0.3, 100, 100)), crop, atol=2e-3)
    np.testing.assert_allclose(align(padded / 255, moved(2.6, 0.3, 100, 100)) * 255, crop, atol=2e-3)


@pytest.mark.parametrize("scale", [0.8, 2.6])
def test_gradients_equal_finite_differences(scale):
    photo = jnp.asarray(waves(301, 403))
    points = jnp.asarray(moved(scale, 0.3, 100, 100), jnp.float32)
    weights = jnp.asarray(waves(*SIZE)) / 100
    direction = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2)), jnp.float32)

    @jax.jit
    def total(photo, points):
        return jnp.mean(align(photo, points) * weights)

    by_photo, by_points = jax.jit(jax.grad(total, (0, 1)))(photo, points)
    change = (total(photo, points + 0.1 * direction) - total(photo, points - 0.1 * direction)) / 0.2
    assert float(jnp.sum(by_points * direction)) == pytest.approx(float(change), rel=0.02)
    assert float(jnp.sum(by_photo * photo)) == pytest.approx(float(total(photo, points)), rel=1e-4)  # it is linear


@pytest.mark.parametrize("points", [np.full((5, 2), 30.0), np.zeros((5, 2)), TEMPLATE * [0, 1], TEMPLATE * 1e6])
def test_landmarks_that_cannot_be_checked_give_finite_crops_and_gradients(points):
    photo = jnp.asarray(noise(*SIZE), jnp.float32)
    total = jax.jit(jax.value_and_grad(lambda photo, points: jnp.mean(align(photo, points)), (0, 1)))
    for leaf in jax.tree.leaves(total(photo, jnp.asarray(points, jnp.float32))):
        assert jnp.isfinite(leaf).all()


def test_nan_in_nan_out():
    cut = jax.jit(align)
    assert jnp.isnan(cut(noise(*SIZE), jnp.full((5, 2), jnp.nan))).all()
    assert jnp.isnan(cut(noise(*SIZE) * jnp.nan, jnp.asarray(TEMPLATE, jnp.float32))[1:-1, 1:-1]).all()


@both
def test_checks_landmarks(cut):
    for bad in ([(5.0, 5.0)] * 5, TEMPLATE[[1, 0, 2, 4, 3]]):
        with pytest.raises(PfiqError, match=r"^landmarks .*; give"):
            cut(np.zeros((112, 112, 3), np.uint8), bad)


@pytest.mark.parametrize(
    ("photos", "landmarks", "complaint"),
    [
        ((112, 112), (5, 2), "photographs have shape (112, 112); give RGB of shape (height, width, 3) or"),
        ((0, 112, 3), (5, 2), "photographs have shape (0, 112, 3); give"),
        (
            (112, 112, 3),
            (2, 4),
            "landmarks have shape (2, 4), photographs (112, 112, 3); give landmarks of shape (5, 2)",
        ),
        ((112, 112, 3), (1, 1, 5, 2), "give landmarks of shape (5, 2) or (faces, 5, 2)"),
        ((4, 112, 112, 3), (5, 2), "give landmarks of shape (4, 5, 2) or (4, faces, 5, 2)"),
        ((2, 112, 112, 3), (2, 3, 5, 2), "landmarks[0, 0]: landmarks lie within one pixel"),
    ],
)
def test_names_what_is_wrong_with_a_batch(photos, landmarks, complaint):
    with pytest.raises(PfiqError, match=re.escape(complaint)):
        align(np.zeros(photos, np.uint8), np.zeros(landmarks))


def test_takes_no_other_dtype():
    with pytest.raises(PfiqError, match="photographs have dtype bool; give uint8 or float pixels"):
        align(np.zeros((112, 112, 3), bool), TEMPLATE)


def test_a_recognisers_template_reaches_the_crop(tmp_path):
    path = tmp_path / "a.png"
    image = noise(200, 200)
    Image.fromarray(image).save(path)
    shifted = tuple((x + 5.0, y) for x, y in ARCFACE_TEMPLATE)
    points = tuple((x + 30.0, y + 40.0) for x, y in ARCFACE_TEMPLATE)
    for template, left in ((None, 30), (ARCFACE_TEMPLATE, 30), (shifted, 25)):
        recognizer = Recognizer({}, SFace(), Preprocessing(template=template))
        (face,) = reader_of(recognizer, {str(path): points})(path)
        np.testing.assert_array_equal(face.image, image[40:152, left : left + 112])
        np.testing.assert_array_equal(np.rint(align(image, points, template=template)), face.image)
        assert not face.resized
