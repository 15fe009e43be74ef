"""Serves one engine: `python -m tools.bench.candidates.engines NAME [ARGUMENT]`.

Each is there only in its own environment, so it is imported when it is chosen, and the checkers know nothing of it.
"""

from __future__ import annotations

import asyncio
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import torch

from tools.bench.candidates.serve import MODEL, Encode, serve_engine

BATCH = 32
"""Texts of a padded batch, for engines that pad."""


def ours(precision: str) -> Encode:
    """Our own engine as the service uses it; the weights are prepared in a folder of this container."""
    home = Path(tempfile.mkdtemp(dir="/scratch"))
    encoder: Any = import_module("gte_service.engine").load_encoder(MODEL, precision=precision, home=home)
    return lambda texts: encoder.encode(texts).vectors


def modelscope() -> Encode:
    """ModelScope's pipeline, each batch padded to its longest text; not cut at 128 tokens, its default."""
    pipeline: Any = import_module("modelscope.pipelines").pipeline
    task = import_module("modelscope.utils.constant").Tasks.sentence_embedding
    embedding = pipeline(task, model=str(MODEL), sequence_length=512)

    def encode(texts: Sequence[str]) -> Any:
        answers = (embedding(input={"source_sentence": batch})["text_embedding"] for batch in batches(texts, BATCH))
        return [vector for answer in answers for vector in answer]

    return encode


def sentence_transformers() -> Encode:
    """sentence-transformers: sorts by length, then pads batches."""
    library: Any = import_module("sentence_transformers")
    model = library.SentenceTransformer(str(MODEL), device="cpu", model_kwargs={"dtype": torch.float32})
    model.max_seq_length = 512
    options = {"batch_size": BATCH, "normalize_embeddings": True, "show_progress_bar": False}
    return lambda texts: model.encode(list(texts), **options)


def infinity() -> Encode:
    """infinity-emb's engine with the settings of its server; its batching runs between two calls too, in threads."""
    library: Any = import_module("infinity_emb")
    settings = library.EngineArgs(
        model_name_or_path=str(MODEL), engine="torch", device="cpu", dtype="float32", batch_size=BATCH,
        bettertransformer=False, model_warmup=False,
    )  # fmt: skip
    loop = asyncio.new_event_loop()
    engine = library.AsyncEmbeddingEngine.from_args(settings)
    loop.run_until_complete(engine.astart())
    return lambda texts: loop.run_until_complete(engine.embed(sentences=list(texts)))[0]


def transformers(size: str) -> Encode:
    """The model in transformers, padded in batches of so many texts in the order they come."""
    library: Any = import_module("transformers")
    tokenizer = library.AutoTokenizer.from_pretrained(MODEL)
    model = library.AutoModel.from_pretrained(MODEL, dtype=torch.float32).eval()

    def encode(texts: Sequence[str]) -> Any:
        first_tokens = []
        with torch.inference_mode():
            for batch in batches(texts, int(size)):
                inputs = tokenizer(batch, padding=True, truncation=True, max_length=512, return_tensors="pt")
                first_tokens.append(model(**inputs).last_hidden_state[:, 0])
        return torch.nn.functional.normalize(torch.cat(first_tokens), dim=1)

    return encode


def batches(texts: Sequence[str], size: int) -> list[list[str]]:
    """The texts in lists of at most `size`."""
    return [list(texts[begin : begin + size]) for begin in range(0, len(texts), size)]


LOADERS: Mapping[str, Callable[..., Encode]] = {
    "ours": ours,
    "modelscope": modelscope,
    "sentence-transformers": sentence_transformers,
    "infinity": infinity,
    "transformers": transformers,
}

if __name__ == "__main__":
    serve_engine(lambda: LOADERS[sys.argv[1]](*sys.argv[2:]))
