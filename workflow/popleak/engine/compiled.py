"""The loops of `fused` as machine code: compiled once by numba, kept in the user's own cache, and called without
numba.

The cache holds object files as LLVM emits them: machine code and symbol tables, and nothing that Python would have to
unpickle. A file's name is a digest of everything that determines its bytes, so other sources, another numba or
another processor find no file. `core.private` decides whose files are trusted.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import importlib.metadata
import os
import sys
from pathlib import Path

import numpy as np
from llvmlite import binding

from ..core import private
from .layout import ARGUMENTS

SYMBOL = "popleak_loop"
SOURCES = (
    "architecture",
    "compiled",
    "dense",
    "eo",
    "fairloops",
    "imageloops",
    "imagery",
    "layout",
    "loops",
    "passes",
    "patches",
    "privateloops",
    "rivalloops",
    "tile",
    "unitloops",
)
"""Modules of this folder whose text determines the machine code."""
SETTINGS = ".numba_config.yaml"
"""File in the working directory from which numba reads settings, beside the environment's NUMBA_*."""
_PROTOTYPE = ctypes.CFUNCTYPE(
    ctypes.c_int32, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p
)  # releases Python's lock


class Loop:
    """A loop that can be called with the arguments in `layout.ARGUMENTS`: arrays in C order, and numbers."""

    def __init__(self, name: str, number: str, code: bytes) -> None:
        self.name, self.number = name, number
        # the engine owns the memory of the code
        self._engine = binding.create_mcjit_compiler(binding.parse_assembly(""), _machine())
        self._engine.add_object_file(binding.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        self._call = _PROTOTYPE(self._engine.get_function_address(SYMBOL))

    def __call__(self, *arguments: np.ndarray | float) -> None:
        """Run the loop. Raises ValueError for an array of another type, shape or order than the code was compiled
        for."""
        words: list[int] = []
        for given, (kind, axes) in zip(arguments, ARGUMENTS[self.name], strict=True):
            if not axes:
                words.append(int(given) if kind == "i" else int(np.float64(given).view(np.int64)))
                continue
            wanted = {"n": self.number, "i": "int64", "d": "float64"}[kind]
            if not isinstance(given, np.ndarray):
                raise ValueError(f"an array of {wanted} with {axes} axes in C order, not {given}")
            if given.dtype != wanted or given.ndim != axes or not given.flags.c_contiguous:
                raise ValueError(f"an array of {wanted} with {axes} axes in C order, not {given.dtype} {given.shape}")
            words += [given.ctypes.data, *given.shape]
        block = np.array([0, 0, *words], np.int64)  # first what numba's functions return and raise: nothing
        start = block.ctypes.data
        self._call(start, start + block.itemsize, start + 2 * block.itemsize)


@functools.cache
def loop(name: str, number: str) -> Loop:
    """Return loop `name` of `layout.ARGUMENTS` for numbers of the dtype `number`. It is read from the cache, or
    compiled and stored there."""
    kept = f"{name}-{number}-{key(name, number)}.o"
    code = private.read(kept)
    if code is None:
        code = make(name, number)
        private.write(kept, code)
    return Loop(name, number, code)


def make(name: str, number: str) -> bytes:
    """Return the object file of a loop, compiled by numba."""
    from . import loops

    return _machine().emit_object(binding.parse_assembly(loops.llvm(name, number, SYMBOL)))


def key(name: str, number: str) -> str:
    """Return a digest of everything that determines the machine code of a loop."""
    parts = [name, number, *facts()]
    parts += sorted(f"{key}={value}" for key, value in os.environ.items() if key.startswith("NUMBA_"))
    if Path(SETTINGS).is_file():
        parts.append(Path(SETTINGS).read_text(encoding="utf-8", errors="replace"))
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


@functools.cache
def facts() -> tuple[str, ...]:
    """Return the sources, versions and processor that machine code depends on."""
    sources = (Path(__file__).with_name(f"{name}.py").read_text(encoding="utf-8") for name in SOURCES)
    versions = (importlib.metadata.version(name) for name in ("numba", "llvmlite", "numpy"))
    return *sources, *versions, sys.version, binding.get_process_triple(), *_processor()


@functools.cache
def _processor() -> tuple[str, str]:
    """Return the name and the features of this processor, as LLVM calls them."""
    try:
        features = binding.get_host_cpu_features().flatten()
    except RuntimeError:  # unknown to LLVM
        features = ""
    return binding.get_host_cpu_name(), features


@functools.cache
def _machine() -> binding.TargetMachine:
    """Return LLVM's code generator for this processor, configured like numba's own."""
    if binding.llvm_version_info < (20,):  # later ones start by themselves, and say so
        binding.initialize()
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    target = binding.Target.from_triple(binding.get_process_triple())
    name, features = _processor()
    reloc = "static" if target.name.startswith("x86") else "default"
    return target.create_target_machine(
        cpu=name, features=features, opt=3, reloc=reloc, codemodel="jitdefault", jit=True
    )
