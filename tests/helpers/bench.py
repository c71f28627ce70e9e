"""The stages of one small task, called by hand."""

from __future__ import annotations

import tiny
from popleak.plan import build as plan
from popleak.plan import estimate
from popleak.stages import _fitter, defend, train


class Bench:
    """A folder with a store, in which plans are run up to the defended models."""

    def __init__(self, folder, monkeypatch, capsys) -> None:
        self.folder, self.capsys, self.trained = folder, capsys, {"train": 0, "defend": 0}
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)

        def counted(build, table, rows, seeds, *more, **how):
            self.fits += len(rows)
            return fit(build, table, rows, seeds, *more, **how)

        fit, self.fits = _fitter.fit, 0
        monkeypatch.setattr(_fitter, "fit", counted)

    def run(self, built: plan.Plan, how: train.How | None = None, code: str | None = None) -> str:
        """Run the steps that are not there; return what they said."""
        self.trained = {}
        self.capsys.readouterr()
        for stage in ("dataset", "split", "draw", "train", "defend"):
            self.fits = 0
            for step in built.steps[stage].values():
                if not estimate.is_there(step):
                    self.one(step, how or train.How(), code or step.code)
            self.trained[stage] = self.fits
        return self.capsys.readouterr().err

    def one(self, step: plan.Step, how: train.How, code: str) -> None:
        if step.stage not in ("train", "defend"):
            tiny.run_stage(step, self.folder)
            return
        paths = {name: [self.folder / path for path in paths] for name, paths in step.inputs.items()}
        outputs = {name: self.folder / path for name, path in step.outputs.items()}
        more = {"data": paths["data"][0], "draw": paths["draw"], **outputs, "how": how}
        if step.stage == "defend":
            base = {name: paths[name] for name in ("base_victims", "base_shadows")}
            more |= {"complement": paths["complement"], "public": paths["public"], **base}
        stage = train if step.stage == "train" else defend
        stage.run(settings=type(step.settings).parse(step.params), step=step.id, code=code, **more)
