"""Scores of millions of faces: inputs of every kind, shards that processes share and resume, and one merged table."""

from pfiq_jax.bulk.face_scorer import FaceScorer
from pfiq_jax.bulk.inputs import read_inputs
from pfiq_jax.bulk.listing import Inputs
from pfiq_jax.bulk.manifest import new_manifest
from pfiq_jax.bulk.merge import merge
from pfiq_jax.bulk.processes import this_process
from pfiq_jax.bulk.score_folder import ScoreFolder
from pfiq_jax.bulk.score_table import ScoreTable, resume
from pfiq_jax.bulk.stores import store_of

__all__ = [
    "FaceScorer",
    "Inputs",
    "ScoreFolder",
    "ScoreTable",
    "merge",
    "new_manifest",
    "read_inputs",
    "resume",
    "store_of",
    "this_process",
]
