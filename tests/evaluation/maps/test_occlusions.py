import numpy as np

from pfiq_jax.evaluation.maps.occlusions import OCCLUSIONS, occlude


def test_occlusions_cover_what_they_should():
    faces = np.full((6, 112, 112, 3), 128, np.uint8)
    occluded = occlude(0, faces)
    assert occluded.kinds == [*OCCLUSIONS, *OCCLUSIONS]
    for image, region, kind in zip(occluded.images, occluded.regions, occluded.kinds, strict=True):
        assert (image[~region] == 128).all()
        assert len(np.unique(image[region], axis=0)) == 1
        eyes, mouth = region[51, [38, 73]].all(), region[92, [42, 70]].all()
        assert (eyes, mouth) == {"sunglasses": (True, False), "scarf": (False, True), "hand": (False, False)}[kind]
        assert 0.05 < region.mean() < 0.35
    np.testing.assert_array_equal(occlude(0, faces).images, occluded.images)
    assert (occlude(1, faces).images != occluded.images).any()


def test_occlusions_grow_with_the_image():
    small, large = (occlude(0, np.zeros((3, size, size, 3), np.uint8)).regions for size in (112, 224))
    np.testing.assert_allclose(large.mean((1, 2)), small.mean((1, 2)), rtol=0.03)
