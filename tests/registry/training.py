"""What a training pipeline does: it logs a run with its metrics and data, and registers the model that it made."""

import itertools
from pathlib import Path

from mlflow.entities import Dataset, DatasetInput
from mlflow.tracking import MlflowClient

MLMODEL = """\
artifact_path: model
flavors:
  python_function: {loader_module: mlflow.sklearn, python_version: 3.11.7}
mlflow_version: 3.17.2
signature:
  inputs: '[{"type": "double", "name": "amount", "required": true},
    {"type": "string", "name": "country", "required": false}]'
  outputs: '[{"type": "tensor", "tensor-spec": {"dtype": "float64", "shape": [-1, 2]}}]'
  params: '[{"name": "threshold", "default": 0.5, "shape": null, "type": "double"}]'
"""


class Training:
    def __init__(self, url: str, folder: Path) -> None:
        self.client = MlflowClient(tracking_uri=url, registry_uri=url)
        self._folder = folder
        self._names = itertools.count(1)

    def model(self, name: str = "fraud") -> str:
        """A registered model with a name of its own."""
        unique = f"{name}-{next(self._names)}"
        self.client.create_registered_model(unique)
        return unique

    def register(
        self,
        model: str,
        *,
        metrics: dict[str, float] | None = None,
        description: str | None = None,
        mlmodel: str | None = MLMODEL,
        text: str = "the model",
    ) -> str:
        """A run, its artifact behind the server's proxy, and the version that was made of it. Gives its number."""
        run = self.client.create_run("0", tags={"mlflow.source.git.commit": "9f2c1aa"})
        run_id = run.info.run_id
        for name, value in (metrics or {}).items():
            self.client.log_metric(run_id, name, value)
        data = Dataset(name="transactions", digest="4c1f", source_type="local", source="{}")
        self.client.log_inputs(run_id, [DatasetInput(dataset=data, tags=[])])
        artifact = self._folder / f"artifact-{run_id}"
        artifact.mkdir()
        if mlmodel is not None:
            (artifact / "MLmodel").write_text(mlmodel)
        (artifact / "model.txt").write_text(text)
        self.client.log_artifacts(run_id, str(artifact), "model")
        made = self.client.create_model_version(
            model, f"{run.info.artifact_uri}/model", run_id, description=description, await_creation_for=0
        )
        return str(made.version)
