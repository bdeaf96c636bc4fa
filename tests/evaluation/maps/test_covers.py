"""Covers: what is drawn, where, and that it repeats."""

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from pfiq_jax import PfiqError
from pfiq_jax.evaluation.maps.covers import COVERS, MAIN_COVERS, cover, cover_sides

SIZE = 112
# Two people: the other one is then known. Noise as images, so that no two places look the same.
PEOPLE = np.random.default_rng(0).integers(1, 256, (2, SIZE, SIZE, 3), np.uint8)
CORNERS = np.array([[20, 30], [60, 50]])
SIDES = np.array([24, 32])
SQUARES = [np.s_[20:44, 30:54], np.s_[60:92, 50:82]]


def pieces(kind: str, seed: int = 0, corners: np.ndarray = CORNERS) -> list[np.ndarray]:
    """The covered squares, after a check that nothing else has changed."""
    covered = cover(seed, kind, PEOPLE, corners, SIDES)
    found = []
    for image, clean, (row, column), side in zip(covered, PEOPLE, corners, SIDES, strict=True):
        square = np.s_[row : row + side, column : column + side]
        found.append(image[square].copy())
        image[square] = clean[square]
    np.testing.assert_array_equal(covered, PEOPLE)
    return found


@pytest.mark.parametrize("kind", COVERS)
def test_covers_change_the_square_alone_and_repeat(kind):
    first, again = pieces(kind), pieces(kind)
    for piece, same, image, square in zip(first, again, PEOPLE, SQUARES, strict=True):
        np.testing.assert_array_equal(piece, same)
        assert (piece != image[square]).mean() > 0.9
    differs = any((a != b).any() for a, b in zip(first, pieces(kind, seed=1), strict=True))
    assert differs == (kind in ("texture", "scramble", "noise"))


@pytest.mark.parametrize("kind", ["texture", "scramble", "black"])
def test_the_piece_does_not_depend_on_the_place(kind):
    for piece, elsewhere in zip(pieces(kind), pieces(kind, corners=CORNERS + 7), strict=True):
        np.testing.assert_array_equal(piece, elsewhere)


def test_flat_changes_of_the_face_itself():
    for index, square in enumerate(SQUARES):
        inside = PEOPLE[index][square].astype(np.float64)
        np.testing.assert_array_equal(pieces("glare")[index], np.rint(0.3 * inside + 190).clip(0, 255))
        blurred = gaussian_filter(PEOPLE[index].astype(np.float64), (5, 5, 0))
        np.testing.assert_array_equal(pieces("blur")[index], np.rint(blurred[square]))
        assert not pieces("black")[index].any()


def test_noise_has_50_grey_levels():
    grey = np.full((2, SIZE, SIZE, 3), 128, np.uint8)
    covered = cover(0, "noise", grey, np.zeros((2, 2), int), np.array([100, 100]))[:, :100, :100]
    assert covered.astype(float).std() == pytest.approx(50, abs=1.5)  # the tails are clipped
    assert covered.astype(float).mean() == pytest.approx(128, abs=1)


def test_foreign_is_the_other_person_s_same_place():
    for index, square in enumerate(SQUARES):
        np.testing.assert_array_equal(pieces("foreign")[index], PEOPLE[1 - index][square])


def test_scramble_is_a_rotated_piece_of_the_other_person():
    for index, piece in enumerate(pieces("scramble")):
        other, side = PEOPLE[1 - index], len(piece)
        windows = np.lib.stride_tricks.sliding_window_view(other, (side, side), (0, 1)).transpose(0, 1, 3, 4, 2)
        matches = [turns for turns in range(4) if (windows == np.rot90(piece, turns)).all((2, 3, 4)).any()]
        assert len(matches) == 1
        assert matches != [0]


def test_texture_is_taken_from_the_outermost_columns():
    """Of people whose borders are red, and whose faces are blue."""
    people = np.zeros((2, SIZE, SIZE, 3), np.uint8)
    people[..., 2] = 255
    people[:, :, :12], people[:, :, -12:] = (200, 0, 0), (200, 0, 0)
    for seed in range(20):
        covered = cover(seed, "texture", people, CORNERS, SIDES)
        for image, square in zip(covered, SQUARES, strict=True):
            assert (image[square] == (200, 0, 0)).all()


def test_the_other_person_is_never_the_same():
    people = np.repeat(np.arange(5, dtype=np.uint8), SIZE * SIZE * 3).reshape(5, SIZE, SIZE, 3)
    seen = {}
    for seed in range(40):
        covered = cover(seed, "foreign", people, np.zeros((5, 2), int), np.full(5, 10))
        for index, image in enumerate(covered):
            seen.setdefault(index, set()).add(int(image[0, 0, 0]))
    assert seen == {index: {0, 1, 2, 3, 4} - {index} for index in range(5)}


def test_sides_alternate_and_grow_with_the_image():
    np.testing.assert_array_equal(cover_sides(3, (112, 112)), [24, 32, 24])
    np.testing.assert_array_equal(cover_sides(2, (160, 160)), [34, 46])


def test_main_covers_are_covers():
    assert set(MAIN_COVERS) < set(COVERS)


def test_bad_input():
    with pytest.raises(PfiqError, match="kind is 'white'; choose one of 'texture'"):
        cover(0, "white", PEOPLE, CORNERS, SIDES)
    with pytest.raises(PfiqError, match=r"there is only one face, .*; give two or more"):
        cover(0, "black", PEOPLE[:1], CORNERS[:1], SIDES[:1])
