"""`kubectl apply` takes every good manifest, and refuses every bad one with the sentence that it must give."""

import pytest

from tests.apiserver.corpus_files import BAD, GOOD, Manifest
from tests.apiserver.kubectl import Kubectl

WITH_AN_ERROR = {"alert-with-broken-expression"}
"""CEL has no other way to say that a regular expression is none; the API server puts the expression before our message.
"""


@pytest.mark.parametrize("manifest", GOOD, ids=str)
def test_a_good_manifest_is_accepted(kubectl: Kubectl, manifest: Manifest) -> None:
    done = kubectl.attempt("apply", "--validate=strict", "-f", manifest.path)
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr


@pytest.mark.parametrize("manifest", BAD, ids=str)
def test_a_bad_manifest_is_refused_with_its_sentence(kubectl: Kubectl, manifest: Manifest) -> None:
    done = kubectl.attempt("apply", "--validate=strict", "-f", manifest.path)
    assert done.returncode != 0, f"accepted: {done.stdout}"
    assert manifest.expected in done.stderr
    evaluated = "evaluat" not in done.stderr
    expected = str(manifest) not in WITH_AN_ERROR
    assert evaluated == expected, "a rule could not be evaluated, so its message is the API server's own"
