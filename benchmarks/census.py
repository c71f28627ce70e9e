"""The census setting of the best-known public tool, estimated from measured parts: `python benchmarks/census.py`.

11 ratios; 500 victims a ratio on 200,000 rows each and 50 shadows a ratio on 50,000 rows each; 105 features, hidden
layers (64, 16), 20 epochs, batches of 200; each victim judged by a KL test against ratio 0.5. A share of the models
(by default 1/20) is drawn, trained, queried and judged in full size, one stage after another in one process; what a
stage took, divided by the share, is what the whole would take. The records are made up: speed does not depend on them.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from common import RESULTS, apart, peak_memory, say, write
from popleak.attacks.base import Game, Query
from popleak.attacks.kl import PLUGIN as KL
from popleak.core.needs import counts
from popleak.core.seeds import derive, generator
from popleak.engine.fit import Chain, Table, Training, fit, predict
from popleak.stages.draw import draw_one

OUTPUT = RESULTS / "census.parquet"
RATIOS = tuple(round(0.1 * i, 1) for i in range(11))
SIDES = (105, 64, 16, 1)
POINTS = 2000
ROLES = {"victim": (500, 200_000), "shadow": (50, 50_000)}
SCHEMA = pa.schema(
    {
        "stage": pa.string(), "models": pa.int64(), "cpu_seconds": pa.float64(), "wall_seconds": pa.float64(),
        "all_models": pa.int64(), "estimated_cpu_hours": pa.float64(), "peak_memory_mb": pa.float64(),
    }
)  # fmt: skip


class Clock:
    """CPU and wall seconds by stage."""

    def __init__(self) -> None:
        self.cpu: dict[str, float] = {}
        self.wall: dict[str, float] = {}

    def of(self, stage: str, work):
        """Return what `work()` returns; count its seconds."""
        cpu, wall = time.process_time(), time.perf_counter()
        found = work()
        self.cpu[stage] = self.cpu.get(stage, 0.0) + time.process_time() - cpu
        self.wall[stage] = self.wall.get(stage, 0.0) + time.perf_counter() - wall
        return found


def people(rows: int) -> Table:
    """Return made-up records: two groups of equal size, mostly 0-1 features as after one-hot encoding."""
    rng = generator("census", "people")
    a = np.arange(rows) % 2
    x = (rng.random((rows, SIDES[0]), dtype=np.float32) < 0.1 + 0.05 * a[:, None] * rng.random(SIDES[0])).astype(
        np.float32
    )
    x[:, :5] = rng.standard_normal((rows, 5), dtype=np.float32)
    y = x[:, :20].sum(1) + 0.3 * a + rng.standard_normal(rows, dtype=np.float32) > 2
    return Table.of(x, y, a)


def measure(share: float, rows_share: float, epochs: int) -> dict:
    """Draw, train, query and judge a share of all models in this process; return the seconds of each stage."""
    clock, training = Clock(), Training(epochs=epochs, batch=200, learning_rate=1e-3, validation=0.0)
    size = {role: (max(2, round(count * share)), round(rows * rows_share)) for role, (count, rows) in ROLES.items()}
    pools = {"victim": round(2.2 * size["victim"][1]), "shadow": round(2.2 * size["shadow"][1])}
    table = people(sum(pools.values()) + 2 * POINTS)
    edge = {"victim": (0, pools["victim"]), "shadow": (pools["victim"], pools["victim"] + pools["shadow"])}
    points = np.arange(len(table.y) - POINTS, len(table.y))
    table.packed  # noqa: B018  the engine's copy of the table is made once a job, and is no part of a model's cost
    scores: dict[tuple[str, float], np.ndarray] = {}
    for role, (count, rows) in size.items():
        strata = {(None, group): np.arange(edge[role][0] + group, edge[role][1], 2) for group in (0, 1)}
        for ratio in RATIOS:
            seeds = np.array([derive("census", role, repr(ratio), k) for k in range(count)])
            wanted = counts(ratio, rows, "natural", 0.5)
            drawn = clock.of(
                "draw", lambda s=seeds, w=wanted, p=strata: np.stack([draw_one(w, p, generator(int(k))) for k in s])
            )
            fitted = clock.of(f"train {role}s", lambda d=drawn, s=seeds: fit(Chain(SIDES), table, d, s, training))
            scores[role, ratio] = clock.of("query", lambda f=fitted: predict(Chain(SIDES), f.weights, table.x[points]))
            say(f"{role}s, ratio {ratio}: {clock.cpu[f'train {role}s']:.0f} CPU s of training so far")
    right = clock.of("attack", lambda: judge(scores, table, points, size["victim"][1]))
    return {"cpu": clock.cpu, "wall": clock.wall, "size": size, "memory": peak_memory(), "right": right}


def judge(
    scores: dict[tuple[str, float], np.ndarray], table: Table, points: np.ndarray, rows: int
) -> dict[float, float]:
    """Return for each ratio but 0.5 the share of its victims and of those of 0.5 that the KL test names rightly."""
    found = {}
    for ratio in RATIOS:
        if ratio == 0.5:
            continue
        query = Query(table.y[points], table.a[points], table.a[points].astype(np.int8), None)
        game = Game(0.5, ratio, rows, "natural", "mlp", label_rate=0.5)
        zero, one = (scores["shadow", world].astype(np.float64) for world in (0.5, ratio))
        judge = KL.calibrate(shadows_0=zero, shadows_1=one, query=query, game=game, settings=KL.Settings())
        guesses = [
            [judge.guess(judge.score(row)) for row in scores["victim", world].astype(np.float64)]
            for world in (0.5, ratio)
        ]
        found[ratio] = float(np.mean([1 - np.array(guesses[0]), np.array(guesses[1])]))
    return found


def run(arguments: argparse.Namespace) -> pd.DataFrame:
    """Measure in a process of its own, write the table, print it and return it."""
    found = apart(measure, arguments.share, arguments.rows_share, arguments.epochs)
    everything = {role: count * len(RATIOS) for role, (count, _) in ROLES.items()}
    done = {role: count * len(RATIOS) for role, (count, _) in found["size"].items()}
    records = []
    for stage, seconds in found["cpu"].items():
        roles = [role for role in ROLES if role in stage] or list(ROLES)
        models, whole = (sum(counted[role] for role in roles) for counted in (done, everything))
        # a model's rows and epochs may be cut for a trial: training grows with both
        cut = arguments.rows_share * arguments.epochs / 20 if stage.startswith("train") else 1.0
        hours = seconds / models * whole / cut / 3600
        records.append((stage, models, seconds, found["wall"][stage], whole, hours, found["memory"]))
    frame = pd.DataFrame(records, columns=SCHEMA.names)
    settings = {"share": arguments.share, "rows_share": arguments.rows_share, "epochs": arguments.epochs}
    write(
        arguments.output,
        frame,
        SCHEMA,
        __file__,
        settings,
        named_rightly={str(k): v for k, v in found["right"].items()},
    )
    print(frame.to_string(index=False, float_format=lambda value: f"{value:.3f}"))
    print(
        f"all: {frame['cpu_seconds'].sum():.0f} CPU s measured, {frame['estimated_cpu_hours'].sum():.2f} CPU-hours for the whole"
    )
    return frame


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1 / 20, help="share of the models that is run")
    parser.add_argument("--rows-share", type=float, default=1.0, help="share of each model's rows, for a trial")
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    run(parser.parse_args())


if __name__ == "__main__":
    main()
