"""What a table says about the machine it was made on."""

from __future__ import annotations

import subprocess
import sys

import pytest

from popleak.core import machine

X86 = """processor\t: 0
vendor_id\t: GenuineIntel
model name\t: A Processor @ 2.00GHz
flags\t\t: fpu sse4_2 avx avx2 fma avx512f amx_tile
bugs\t\t:

processor\t: 1
model name\t: Another
"""
ARM = """processor\t: 0
Features\t: fp asimd sve
CPU implementer\t: 0x41
CPU part\t: 0xd40
"""


@pytest.mark.parametrize(
    ("text", "processor", "instructions"),
    [
        (X86, "A Processor @ 2.00GHz", "sse4_2 avx avx2 fma avx512f amx_tile"),
        (ARM, "CPU implementer 0x41 CPU part 0xd40", "asimd sve"),
    ],
)
def test_a_processor_is_named_by_what_linux_says(text, processor, instructions, tmp_path, monkeypatch):
    (tmp_path / "cpuinfo").write_text(text)
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "cpuinfo")
    found = machine.facts()
    assert (found["processor"], found["instructions"]) == (processor, instructions)


def test_without_cpuinfo_there_is_still_a_system(tmp_path, monkeypatch):
    monkeypatch.setattr(machine, "CPUINFO", tmp_path / "none")
    found = machine.facts()
    assert found["system"] and "instructions" not in found and all(found.values())


def test_settings_that_choose_other_instructions_are_told(monkeypatch):
    plain = machine.facts()
    monkeypatch.setenv("NUMBA_CPU_NAME", "generic")
    assert machine.facts() == {**plain, "NUMBA_CPU_NAME": "generic"}


def test_another_process_says_the_same():
    code = "import json; from popleak.core import machine; print(json.dumps(machine.facts()))"
    said = {
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
        for _ in range(2)
    }
    assert len(said) == 1
