"""Texts turned into features, and texts that say the same found, without a word of them getting out.

What is fitted (a vocabulary, a projection, means) is fitted on public texts, which are in no pool. So the features are the same in every
world and say nothing about which texts a model was trained on. Features are numbered and never named by words: a vocabulary holds
people's names. No message quotes a text.

scikit-learn, scipy, pandas and pyarrow are imported inside the functions, since the plan imports every dataset.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..core.errors import PopleakError

if TYPE_CHECKING:
    import pyarrow as pa

PRONOUNS = ("he", "she", "him", "his", "her", "hers", "himself", "herself", "mr", "mrs", "ms")
"""Words that state a gender, and that `scrub` removes."""
SHINGLE = 5
"""Words in a row that count as one piece of a text where texts are compared."""
COMMON = 20
"""A piece that is in more texts than this is a form that many fill in, and says nothing of one person."""
SHARED = 5
"""The least number of pieces that two texts of one unit have in common, if they are not equal."""
OVERLAP = 0.5
"""Share of the shorter text's pieces that two texts of one unit have in common at least."""
ENCODER = (
    "modules.json", "config.json", "config_sentence_transformers.json", "sentence_bert_config.json", "tokenizer.json",
    "tokenizer_config.json", "1_Pooling/config.json", "model.safetensors",
)  # fmt: skip
"""The files of a sentence encoder's folder that decide what it answers."""
NOISE = 1e-9
"""A feature whose values differ by less differs by rounding alone."""
LEAST = 2
"""The least number of components, as of `dimensions`."""
ALIKE = "options.public_share: the public texts do not differ in any feature: raise it, or give texts that differ in their words"
MODULES = ("Transformer", "Pooling", "Normalize")


class Vectors(NamedTuple):
    """Features of N texts: values (N, d) float32 and their names (d,), numbers that tell no word."""

    values: np.ndarray
    names: tuple[str, ...]


def normal(texts: pa.Array) -> pa.Array:
    """Return the texts (N,) in lower case, with single spaces and none at the ends."""
    import pyarrow.compute as pc

    return pc.utf8_trim_whitespace(pc.replace_substring_regex(pc.utf8_lower(texts), r"\s+", " "))


def scrub(texts: pa.Array) -> pa.Array:
    """Return the texts (N,) without the words in `PRONOUNS`, in capitals or not."""
    import pyarrow.compute as pc

    return pc.replace_substring_regex(texts, rf"(?i)\b(?:{'|'.join(PRONOUNS)})\b", " ")


def digests(texts: pa.Array) -> np.ndarray:
    """Return a number (N,) uint64 for each text, the same for equal texts in every file and order."""
    import pandas as pd

    return pd.util.hash_array(np.asarray(texts.to_pylist(), dtype=object), categorize=False)


def units(texts: pa.Array, digest: np.ndarray) -> np.ndarray:
    """Return a unit (N,) int64 for each normal text (N,): equal texts share one, and so do texts of which one repeats the other.

    Two texts are linked if they have at least `SHARED` pieces of `SHINGLE` words in common, and these are at least the share `OVERLAP` of
    the pieces of the shorter one. Pieces that are in more than `COMMON` texts do not count. digest: of the texts, as `digests` gives it.
    """
    import scipy.sparse as sp
    from sklearn.feature_extraction.text import HashingVectorizer

    count = len(digest)
    _, first, same = np.unique(digest, return_index=True, return_inverse=True)
    pieces = HashingVectorizer(
        ngram_range=(SHINGLE, SHINGLE), n_features=2**31 - 1, binary=True, norm=None, alternate_sign=False,
        token_pattern=r"(?u)\b\w+\b", lowercase=False, dtype=np.float32,
    ).transform(texts.to_pylist())  # fmt: skip
    _, piece, texts_with = np.unique(pieces.indices, return_inverse=True, return_counts=True)
    row = np.repeat(np.arange(count), np.diff(pieces.indptr))
    telling = texts_with[piece] <= COMMON
    size = np.bincount(row[telling], minlength=count)
    several = telling & (texts_with[piece] > 1)
    shape = count, max(len(texts_with), 1)
    held = sp.csr_matrix((np.ones(several.sum(), dtype=np.int32), (row[several], piece[several])), shape=shape)
    both = sp.triu(held @ held.T, k=1, format="coo")
    near = both.data >= np.maximum(SHARED, OVERLAP * np.minimum(size[both.row], size[both.col]))
    left = np.concatenate([np.arange(count), both.row[near]])
    right = np.concatenate([first[same], both.col[near]])
    links = sp.csr_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(count, count))
    return sp.csgraph.connected_components(links, directed=False)[1].astype(np.int64)


def public(*, unit: np.ndarray, digest: np.ndarray, stratum: np.ndarray, share: float) -> np.ndarray:
    """Return which texts (N,) bool are public: of each stratum (N,) the share of its units, rounded down, with the lowest digests.

    A unit is public as a whole, and counts in the stratum of its text with the lowest digest. So the choice follows from the texts,
    whatever their order.
    """
    order = np.lexsort((digest, unit))
    heads = order[np.unique(unit[order], return_index=True)[1]]
    order = heads[np.lexsort((digest[heads], stratum[heads]))]
    _, start, size = np.unique(stratum[order], return_index=True, return_counts=True)
    place = np.arange(len(order)) - np.repeat(start, size)
    chosen = order[place < np.repeat(np.floor(share * size), size)]
    return np.isin(unit, unit[chosen])


def svd(texts: Sequence[str], known: np.ndarray, dimensions: int) -> Vectors:
    """Return `dimensions` components of the words' TF-IDF weights; vocabulary, weights and projection are those of the texts `known` (N,) bool.

    The projection is computed to the last digits (ARPACK), so no random number decides it. Raises PopleakError where `known` are too few.
    """
    from sklearn.decomposition import TruncatedSVD
    from sklearn.feature_extraction.text import TfidfVectorizer

    words = TfidfVectorizer(min_df=2, sublinear_tf=True, dtype=np.float64)
    fitted_on = [text for text, is_known in zip(texts, known, strict=True) if is_known]
    try:
        weights = words.fit_transform(fitted_on)
        room = min(weights.shape) - 1
    except ValueError:  # no word is in two texts
        room = 0
    if room < LEAST:
        raise PopleakError(
            f"options.features: svd finds too few words that two of the {len(fitted_on):,} public texts share: raise "
            "options.public_share, choose features: hashing, or give texts with more words"
        )
    if (
        weights.max(axis=0) - weights.min(axis=0)
    ).max() < NOISE:  # its variance is 0, by which the projection would divide
        raise PopleakError(ALIKE)
    if dimensions > room:
        raise PopleakError(
            f"options.dimensions: {dimensions} components are more than {len(fitted_on):,} public texts give: lower it to {room} at most, "
            "raise options.public_share, or choose features: hashing"
        )
    projection = TruncatedSVD(dimensions, algorithm="arpack", random_state=0).fit(weights)
    return _named(projection.transform(words.transform(texts)), "component")


def hashing(texts: Sequence[str], dimensions: int) -> Vectors:
    """Return the texts' words counted in `dimensions` bins, scaled to length 1: a word's bin is its digest, so nothing is fitted."""
    from sklearn.feature_extraction.text import HashingVectorizer

    return _named(HashingVectorizer(n_features=dimensions, dtype=np.float64).transform(texts).toarray(), "bin")


def encoded(texts: Sequence[str], folder: Path) -> Vectors:
    """Return the answers of a frozen sentence encoder, read from a folder in the format of sentence-transformers.

    Only a folder on this disk is read, with weights as safetensors, and no code that lies in it is run. Raises PopleakError where
    the library or the model cannot be loaded.
    """
    kinds = _kinds(folder / "modules.json")
    if unknown := [kind for kind in kinds if kind.rpartition(".")[2] not in MODULES]:
        raise PopleakError(
            f"{folder}: has a module {unknown[0][:80]}: choose a sentence encoder made of {', '.join(MODULES)} alone"
        )
    try:
        from sentence_transformers import SentenceTransformer

        model = SentenceTransformer(
            str(folder), device="cpu", local_files_only=True, trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )  # fmt: skip
    except ImportError as error:
        raise PopleakError(
            f"options.features: encoder: sentence-transformers cannot be imported ({str(error)[:80]}): install it, or choose svd"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise PopleakError(
            f"{folder}: no sentence encoder that can be loaded ({type(error).__name__}): save it there again"
        ) from error
    return _named(model.encode(list(texts), batch_size=64, show_progress_bar=False, convert_to_numpy=True), "dimension")


def _kinds(path: Path) -> list[str]:
    """Return the full names of an encoder's modules."""
    try:
        return [str(one["type"]) for one in json.loads(path.read_text(encoding="utf-8"))]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise PopleakError(f"{path}: not the list of a sentence encoder's modules: save the encoder again") from error


def _named(values: Any, word: str) -> Vectors:
    return Vectors(np.asarray(values), tuple(f"{word} {number}" for number in range(values.shape[1])))


def scaled(vectors: Vectors, known: np.ndarray) -> Vectors:
    """Return the features less their means, in units of their spread; both are those of the texts `known` (N,) bool.

    The spread is one number, so that features keep their proportions: bins that are mostly empty and components that explain little
    are not blown up. A feature that is the same for all of `known` is left out.
    """
    there = vectors.values[known]
    varies = there.std(axis=0) > 0
    if not (there.std(axis=0) > NOISE).any():
        raise PopleakError(ALIKE)
    values = vectors.values[:, varies]
    mean, spread = there[:, varies].mean(axis=0), np.sqrt(there[:, varies].var(axis=0).mean())
    names = tuple(name for name, keep in zip(vectors.names, varies, strict=True) if keep)
    return Vectors(((values - mean) / spread).astype(np.float32), names)
