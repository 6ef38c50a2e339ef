# The observer's image: Python, the parts of the package that the observer imports, and the few packages that those need,
# for a user who is not root, on a read-only file system.
# BASE is any Python 3.11 on Debian 12 with pip; nothing of it but what Python needs is in the result.
#
# The context may hold wheels/, every dependency that observer.lock pins, and then building needs no network.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE} AS build
COPY observer.lock wheels* /wheels/
# Bytecode is made once, at the end, and never checked against its source: the file system is read-only.
RUN if ls /wheels/*.whl >/dev/null 2>&1; then from="--no-index --find-links /wheels"; fi \
 && python3 -m pip install --no-cache-dir --no-compile --only-binary=:all: --require-hashes ${from:-} \
        --root-user-action ignore --target /app/site --requirement /wheels/observer.lock \
 && rm -rf /app/site/bin
COPY modelrollout/__init__.py /app/modelrollout/
COPY modelrollout/adapters/__init__.py modelrollout/adapters/clock.py /app/modelrollout/adapters/
COPY modelrollout/api /app/modelrollout/api
COPY modelrollout/data /app/modelrollout/data
COPY modelrollout/observer /app/modelrollout/observer
COPY image /build
RUN python3 /build/assemble.py /image /app

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/bin LANG=C.UTF-8 PYTHONPATH=/app:/app/site PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Threads share their memory, so that what was freed goes back and the limit of the pod is kept.
ENV MALLOC_ARENA_MAX=2
USER 65532:65532
# A build fails here where something that the observer imports was left out above.
RUN ["python3", "-m", "modelrollout.observer", "--help"]
EXPOSE 8080 9090
ENTRYPOINT ["python3", "-m", "modelrollout.observer"]
