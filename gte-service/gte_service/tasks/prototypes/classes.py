"""From cosines to probabilities: labels as the centroids of their prototypes, and a temperature fitted to them.

GTE's cosines have a high floor, so only their differences mean something, and the size of a significant difference
depends on the model. The softmax over cosines, divided by a temperature, uses differences only. The temperature is the
one under which the prototypes themselves are most likely, each compared with centroids computed without it
(temperature scaling: Guo et al., On Calibration of Modern Neural Networks, 2017). A model that distinguishes the
labels poorly gets a high temperature, so that other evidence decides.

A client's label is one text out of context, and `none` the centroid of many in context: their cosines to the same
span have different floors, and the temperature of a good model (0.01) makes the difference of the floors decide alone.
So the floor of each class, its mean cosine to the built-in prototypes, is subtracted where such classes are compared.
This is the correction of CSLS for labels that are near to everything, with all prototypes for the neighbours (Conneau
et al., Word Translation Without Parallel Data, 2018, arXiv:1710.04087, section 2.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

# From "a difference of 0.02 is decisive" to "cosines are ignored".
_TEMPERATURES = torch.logspace(-2.7, 1, 60)


@dataclass(frozen=True)
class Classes:
    """Labels, their centroids, and the weight of a difference of cosines.

    Attributes:
        labels: their names.
        centroids: float32, shape (labels, hidden_size), each row of length 1.
        temperature: cosines are divided by it.
        floors: float32, shape (labels,), subtracted from the cosines of each label; None where they need no correction.
    """

    labels: tuple[str, ...]
    centroids: Tensor
    temperature: float
    floors: Tensor | None = None

    def evidence(self, vectors: Tensor) -> Tensor:
        """The evidence of the cosines for each label: logits, of which only differences matter.

        Args:
            vectors: float32, shape (vectors, hidden_size), each row of length 1.

        Returns:
            float32, shape (vectors, labels).
        """
        cosines = vectors @ self.centroids.T
        return (cosines if self.floors is None else cosines - self.floors) / self.temperature

    def above_floors(self, mean: Tensor) -> Classes:
        """The same classes, from whose cosines the mean cosine of each to some vectors is subtracted.

        Args:
            mean: float32, shape (hidden_size,), the mean of those vectors; the mean of their cosines follows from it.
        """
        return replace(self, floors=self.centroids @ mean)


def fit(labels: Sequence[str], owners: Sequence[str], vectors: Tensor) -> Classes:
    """Classes from labelled prototypes.

    Args:
        labels: all labels, each with at least one prototype.
        owners: each prototype's label.
        vectors: float32, shape (prototypes, hidden_size), each row of length 1.
    """
    owner = torch.tensor([labels.index(name) for name in owners])
    member = functional.one_hot(owner, len(labels)).to(vectors.dtype)
    sums = member.T @ vectors
    cosines = vectors @ functional.normalize(sums, dim=1).T
    # The only prototype of a label has no centroid without itself, so it is left out of the temperature.
    others = (member.sum(0) > 1)[owner]
    if others.any():
        without = functional.normalize(sums[owner] - vectors, dim=1)
        cosines[torch.arange(len(owner)), owner] = (vectors * without).sum(1)
    temperature = _most_likely(cosines[others], owner[others]) if others.any() else 1.0
    return Classes(tuple(labels), functional.normalize(sums, dim=1), temperature)


def mean_of(vectors: Tensor) -> Tensor:
    """The mean of vectors of shape (vectors, hidden_size)."""
    return vectors.mean(0)


def _most_likely(cosines: Tensor, owner: Tensor) -> float:
    likelihoods = torch.stack(
        [-functional.cross_entropy(cosines / temperature, owner) for temperature in _TEMPERATURES]
    )
    return float(_TEMPERATURES[likelihoods.argmax()])
