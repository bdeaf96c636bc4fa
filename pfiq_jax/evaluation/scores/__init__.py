"""Evaluation of scores: whether a score predicts on which faces a recogniser fails."""
