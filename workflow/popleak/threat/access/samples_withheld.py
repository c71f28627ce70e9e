"""Rows that a generator releases, without their group."""

from __future__ import annotations

from . import samples


class SamplesWithheld(samples.Samples):
    """(m, 1 + c) float32 of each generator: label and compact columns of the rows that it releases. The group, with which it was trained, is
    withheld."""

    name = "samples-withheld"
    summary = "rows that a generator releases, without their group"
    words = "a generator's rows without the group"
    place = 6
    hidden = (1,)


PLUGIN = SamplesWithheld()
