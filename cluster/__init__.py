"""A throw-away Kubernetes cluster for demos and tests, made from whatever the machine can reach.

Developers have Docker and the internet, CI has neither an engine nor an image registry. Both need the same cluster,
so that a test which passes in one place passes in the other. Run it as ``python -m cluster VERB``; the verbs are in
``cluster.__main__``.
"""
