"""The measures of ``evaluate_maps``, one record each."""

from pfiq_jax.evaluation.controls import MEAN_MAP, RANDOM
from pfiq_jax.evaluation.maps.covers import COVERS, MAIN_COVERS
from pfiq_jax.evaluation.measure import Measure

BEST_KNOWN = "learned_order"
"""The method for shares: if it is evaluated, the leads of all methods over their mean maps are divided by its lead."""

_MAIN = f"{', '.join(MAIN_COVERS[:-1])} and {MAIN_COVERS[-1]}"

MAP_MEASURES = (
    Measure(
        "ppt",
        "higher",
        0,
        "place-matched pair test: how often a place ranks lower within the map when it is covered than when another "
        f"place of the same face is covered, mean of {_MAIN}; 0.5 for any map that does not depend on the face",
    ),
    Measure("ppt_foreign", "higher", 0, "the same with the same place of another person's face as the cover"),
    Measure(
        "localisation",
        "higher",
        0,
        "AUROC of the pixels under a cover within the face, by the deficit, or by the negated map of a method without "
        "deficit; mean of the same kinds of cover",
    ),
    Measure(
        "insertion_lead_over_mean_map",
        "higher",
        0,
        "insertion of the map, minus that of the mean map of the other faces by the same method",
    ),
    Measure(
        "deletion_lead_over_mean_map",
        "higher",
        0,
        "deletion of the mean map of the other faces by the same method, minus that of the map",
    ),
    Measure(
        "follows_score",
        "higher",
        0,
        "Spearman's rank correlation of the map's mean and the face's score, on faces blurred, shrunk or darkened as a "
        "whole",
    ),
    *(
        Measure(f"ppt_{kind}", "higher", 1, f"place-matched pair test with the cover {kind}")
        for kind in COVERS
        if kind != "foreign"
    ),
    *(Measure(f"localisation_{kind}", "higher", 2, f"localisation of the cover {kind}") for kind in COVERS),
    Measure(
        "localisation_pooled",
        "higher",
        2,
        "localisation with the pixels of all faces in one ranking, which needs one scale for all faces",
    ),
    Measure(
        "insertion",
        "higher",
        3,
        "mean cosine to the clean face's embedding while 5, 15, ... 95% of the pixels, highest quality first, are "
        "inserted into the blurred face",
    ),
    Measure("deletion", "lower", 3, "the same while these pixels are replaced by the blurred face"),
    Measure("insertion_lead", "higher", 3, f"insertion, minus that of the {RANDOM} order"),
    Measure("deletion_lead", "higher", 3, f"deletion of the {RANDOM} order, minus that of the map"),
    Measure("insertion_share", "higher", 3, f"insertion_lead_over_mean_map, divided by that of {BEST_KNOWN}"),
    Measure("deletion_share", "higher", 3, f"deletion_lead_over_mean_map, divided by that of {BEST_KNOWN}"),
    Measure(
        f"{MEAN_MAP}_r2", "lower", 4, "squared correlation of a face's map and the mean map of the other faces, 0 to 1"
    ),
    Measure("noise", "higher", 4, "rank correlation of the maps of a face without and with invisible noise"),
)
"""Areas under curves are means over ``AREA_FRACTIONS``, with the blurred fill."""
