# The observer's image: Python and the parts of the package that the observer imports, on three packages from the index.
# The context holds `wheels/` (every pinned dependency, fetched before the build), so building needs no network. BASE is
# any Python 3.11 on Debian 12 with pip and the user 65532.
ARG BASE=python:3.11-slim-bookworm
FROM ${BASE}
COPY wheels /wheels
COPY observer.lock /wheels/observer.lock
RUN python3 -m pip install --no-cache-dir --no-index --find-links /wheels --require-hashes \
        --break-system-packages --root-user-action ignore -r /wheels/observer.lock \
    && rm -rf /wheels
COPY modelrollout/__init__.py /app/modelrollout/
COPY modelrollout/adapters/__init__.py modelrollout/adapters/clock.py /app/modelrollout/adapters/
COPY modelrollout/api /app/modelrollout/api
COPY modelrollout/data /app/modelrollout/data
COPY modelrollout/observer /app/modelrollout/observer
RUN python3 -m compileall -q /app
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 MALLOC_ARENA_MAX=2
RUN python3 -m modelrollout.observer --help > /dev/null
USER 65532:65532
EXPOSE 8080 9090
ENTRYPOINT ["python3", "-m", "modelrollout.observer"]
