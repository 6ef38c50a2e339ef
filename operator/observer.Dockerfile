# The observer's image: Python and the parts of the package that the observer imports, on three packages from the index.
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
RUN PYTHONPATH=/app:/app/site python3 -B -m modelrollout.observer --help >/dev/null && python3 /build/assemble.py /image /app

FROM scratch
COPY --from=build /image /
ENV PATH=/usr/bin LANG=C.UTF-8 PYTHONPATH=/app:/app/site PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
# Freed memory goes back, so that what is held is what the limit of the pod sees.
ENV MALLOC_ARENA_MAX=2
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["python3", "-m", "modelrollout.observer"]
