import io
import re

import numpy as np
import pytest

from pfiq_jax import PfiqError, Recognizer
from pfiq_jax.faces import DEMO_FACE, read_image
from pfiq_jax.faces.image_files import with_image
from pfiq_jax.faces.readers import Detection, reader_of
from pfiq_jax.faces.records import Record
from pfiq_jax.recognizers.preprocessing import ARCFACE_TEMPLATE


def pixels_of(content):
    return with_image(Record("there", content), lambda picture: picture.pixels)


def test_a_record_holds_a_file_its_bytes_or_its_pixels():
    pixels, data = read_image(DEMO_FACE), DEMO_FACE.read_bytes()
    for content in (DEMO_FACE, data, pixels, lambda: io.BytesIO(data)):
        np.testing.assert_array_equal(pixels_of(content), pixels)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty; give a"),
        (b"no image", "is damaged, or not an image"),
        (np.zeros((4, 4), np.uint8), "is an array of uint8 (4, 4); give uint8 pixels (height, width, 3)"),
        (np.zeros((4, 4, 3), np.float32), "is an array of float32"),
        (np.zeros((0, 4, 3), np.uint8), "is an array of uint8 (0, 4, 3)"),
    ],
)
def test_its_name_stands_before_the_reason_why_it_cannot_be_used(content, reason):
    with pytest.raises(PfiqError, match=f"^there: {re.escape(reason)}"):
        pixels_of(content)


def test_landmarks_of_a_record_are_used_before_those_of_a_table(recognizer: Recognizer):
    """Both where the landmarks lie and what is detected would give another crop."""
    image = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    points = tuple((x + 30.0, y + 40.0) for x, y in ARCFACE_TEMPLATE)
    for detection in (Detection(), Detection("none")):
        (face,) = reader_of(recognizer, {}, detection)(Record("there", image, landmarks=points))
        np.testing.assert_array_equal(face.image, image[40:152, 30:142])
