"""What is served: a model version, where its artifact lies, and where it came from."""

from typing import Annotated

from pydantic import Field, StringConstraints

from modelrollout.api.base import ApiType

Name = Annotated[str, StringConstraints(min_length=1, max_length=120)]


class Dataset(ApiType):
    name: Name
    version: Annotated[str, StringConstraints(max_length=120)] | None = None
    digest: Annotated[str, StringConstraints(max_length=200)] | None = None


class Lineage(ApiType):
    commit: Annotated[str, StringConstraints(max_length=80)] | None = None
    run: Annotated[str, StringConstraints(max_length=400)] | None = None
    datasets: Annotated[tuple[Dataset, ...], Field(max_length=50)] = ()


class Model(ApiType):
    name: Name
    version: Annotated[str, StringConstraints(min_length=1, max_length=60)]
    uri: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[a-z][a-z0-9+.-]*:.+$")]
    changelog: Annotated[str, StringConstraints(max_length=4000)] | None = None
    lineage: Lineage | None = None
