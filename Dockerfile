# Two images from one file: `dagster` (code location, webserver, daemon) and `scorer`. Every dependency comes from the
# lock with its hash; `deploy/compose` and the orchestrators add the configuration.

# An argument, so that a mirror or a patched base takes its place without an edit.
ARG PYTHON_IMAGE=docker.io/library/python:3.11.15-slim-bookworm

FROM ${PYTHON_IMAGE} AS build
# Wheels only: the day a dependency has none, the build says so instead of looking for a compiler.
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_ONLY_BINARY=:all: \
    PIP_ROOT_USER_ACTION=ignore
WORKDIR /src
# Without pip, so that the virtual environment that ships can't install anything.
RUN python -m venv --without-pip /opt/venv

# Locks are copied alone: as long as they stay, a change of code rebuilds nothing but the wheel.
FROM build AS scorer-lock
COPY requirements/scorer.txt requirements/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r requirements/scorer.txt

# The build backend is in the lock for the stage below; it has no business in an image that runs.
FROM scorer-lock AS scorer-dependencies
RUN pip --python /opt/venv/bin/python uninstall --yes hatchling trove-classifiers

FROM build AS dagster-dependencies
COPY requirements/dagster.txt requirements/
RUN pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes -r requirements/dagster.txt \
    && pip --python /opt/venv/bin/python uninstall --yes hatchling trove-classifiers

FROM scorer-lock AS wheel
COPY pyproject.toml README.md LICENSE ./
COPY segmentation segmentation/
COPY segmentation_assets segmentation_assets/
COPY serving serving/
RUN pip --python /opt/venv/bin/python wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels .

FROM ${PYTHON_IMAGE} AS runtime
ENV PATH=/opt/venv/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    SEGMENTATION_HOME=/var/lib/segmentation
# A fixed number, so that volumes keep their owner across images and `runAsNonRoot` can be checked without a lookup.
# New named volumes inherit the owner of the folder below. There is no VOLUME: it would hand an anonymous volume to
# every container that mounts none there.
RUN groupadd --gid 10001 segmentation \
    && useradd --no-log-init --uid 10001 --gid segmentation --no-create-home --home-dir /var/lib/segmentation \
        --shell /usr/sbin/nologin segmentation \
    && install --directory --owner segmentation --group segmentation --mode 0750 /var/lib/segmentation
WORKDIR /var/lib/segmentation

FROM runtime AS dagster
# A folder that a bare `docker run` may write; Compose points DAGSTER_HOME to its mounted configuration instead.
ENV DAGSTER_HOME=/var/lib/dagster
RUN install --directory --owner segmentation --group segmentation --mode 0750 /var/lib/dagster
COPY --from=dagster-dependencies /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
# The compiled kernel of the features, for any CPU of this architecture: compiling takes every process a quarter of a
# minute otherwise. Each reads a copy, so that the image may be read-only.
ENV NUMBA_CACHE_DIR=/opt/kernel \
    NUMBA_CPU_NAME=generic
RUN python -m segmentation.features.warm_up && chmod -R a+rX /opt/kernel
ARG VERSION=unknown
ARG REVISION=unknown
ENV SOURCE_COMMIT=${REVISION}
LABEL org.opencontainers.image.title="segmentation-dagster" \
      org.opencontainers.image.description="Dagster code location, webserver and daemon of the segmentation platform" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
EXPOSE 3000 4000
# The check starts a Python with Dagster in it, about two seconds of CPU: hence not more often.
HEALTHCHECK --interval=30s --timeout=15s --start-period=60s --retries=3 \
    CMD ["dagster", "api", "grpc-health-check", "--port", "4000"]
# `code-server` rather than `api grpc`: "Reload definitions" in the UI then works, which picks up partitions that begin
# earlier after an ingest, and runs that are under way in this container go on.
CMD ["dagster", "code-server", "start", "--host", "0.0.0.0", "--port", "4000", \
     "--module-name", "segmentation_assets.definitions"]

FROM runtime AS scorer
# For a volume that keeps the scorer's copy of model and keys.
RUN install --directory --owner segmentation --group segmentation --mode 0700 /var/lib/scorer
COPY --from=scorer-dependencies /opt/venv /opt/venv
RUN --mount=type=bind,from=wheel,source=/wheels,target=/wheels \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-deps --no-index /wheels/*.whl
ARG VERSION=unknown
ARG REVISION=unknown
ENV SOURCE_COMMIT=${REVISION}
LABEL org.opencontainers.image.title="segmentation-scorer" \
      org.opencontainers.image.description="HTTP scorer of the segmentation platform" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
USER 10001:10001
EXPOSE 8000
# Live, not ready: a scorer without a champion is as it should be on the first day, and a restart wouldn't help it.
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8000/health/live', timeout=4)"]
CMD ["segmentation", "serve", "--host", "0.0.0.0", "--port", "8000"]
