"""Tokens in, vectors out: the model's files, the forward pass, and the batching around it.

Nothing here knows of HTTP, of tasks or of metrics, so it can be used without them:

    from gte_service.engine import load_encoder

    with load_encoder("/models/gte-large") as encoder:
        vectors = encoder.encode(["今天天气很好", "股票大跌"]).vectors  # float32, shape (2, 1024), each of length 1
"""

from gte_service.engine.allowance import Allowance
from gte_service.engine.batcher import Batch, Limits, Watcher
from gte_service.engine.compute_lock import ComputeLock
from gte_service.engine.encoder import Encoded, Encoder, TokenVectors, load_encoder
from gte_service.engine.precision import PRECISIONS

__all__ = [
    "PRECISIONS",
    "Allowance",
    "Batch",
    "ComputeLock",
    "Encoded",
    "Encoder",
    "Limits",
    "TokenVectors",
    "Watcher",
    "load_encoder",
]
