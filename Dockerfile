# One image: reads a challenge's /input, writes checked labels to /output, needs no network and no root.
# Plain syntax only (no heredoc, no COPY --link), so that Docker, podman and buildah build the same image.
ARG BASE_IMAGE=python:3.11-slim-bookworm

# ---- builder: has the compiler that pyradiomics needs; only /opt/venv leaves it ----
FROM ${BASE_IMAGE} AS builder
# No version pin: Debian keeps only a release's newest gcc, and nothing of it reaches the image.
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install -y --no-install-recommends gcc libc6-dev \
 && rm -rf /var/lib/apt/lists/* \
 && python -m venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1
WORKDIR /build
COPY requirements.txt requirements-cuda12.txt requirements-cuda13.txt requirements.lock ./

# TORCH=cuda12 (default) or cuda13: requirements.txt with its two torch lines replaced. TORCH=cpu: PyTorch's CPU build,
# which its own index has and PyPI has not. The lock tells what the files of these versions hash to. No variant may need
# more CUDA than BraTS's machines have (challenge/limits.env; test/challenge/test_limits.py sees to it).
ARG TORCH=cuda12
RUN case "$TORCH" in \
      cuda12|cuda13) grep -vE '^torch(vision)?==' requirements.txt > wanted.txt \
                  && cat "requirements-$TORCH.txt" >> wanted.txt ;; \
      cpu)           sed -E 's/^torch==.*/&+cpu/' requirements.txt > wanted.txt ;; \
      *)             echo "TORCH is '$TORCH'; it must be cuda12, cuda13 or cpu" >&2; exit 2 ;; \
    esac \
 && awk 'NR == FNR { if (/^[A-Za-z0-9]/) wanted[$1]; next } $1 in wanted' wanted.txt requirements.lock > lock.txt \
 && test "$(grep -cE '^[A-Za-z0-9]' wanted.txt)" = "$(wc -l < lock.txt)" \
 && grep -E '^(numpy|setuptools|wheel|versioneer)==' lock.txt > build-tools.txt

# Nothing is installed that the lock does not name, and no file that hashes otherwise. What unittest2 misses, argparse,
# has been a part of Python since 2.7.
# A site with its own package index hands pip's settings and certificates in as build secrets. A secret that is not
# given is simply not mounted, and none stays in a layer.
RUN --mount=type=secret,id=pip_conf,target=/etc/pip.conf \
    --mount=type=secret,id=build_ca,target=/run/build-ca.crt \
    pip install --require-hashes --no-deps -r build-tools.txt \
 && pip install --require-hashes --no-deps --no-build-isolation -r lock.txt \
 && { pip check > check.txt || true; } \
 && ! grep -vE 'unittest2 .* requires argparse|No broken requirements' check.txt

# ---- runtime ----
FROM ${BASE_IMAGE} AS runtime
# HOME is /tmp in the account too: some platforms take HOME from there, and /tmp is what is writable everywhere.
RUN groupadd --gid 1000 podium \
 && useradd --uid 1000 --gid 1000 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin podium \
 && install -d -m 755 /input \
 && install -d -m 777 /output
COPY --from=builder /opt/venv /opt/venv

# Any uid must do, on a read-only root: caches go to /tmp, and USER names an account where the uid has none.
ENV PATH=/opt/venv/bin:$PATH \
    HOME=/tmp \
    USER=podium \
    XDG_CACHE_HOME=/tmp/cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1
# glibc gives every freed activation buffer back to the kernel and faults it in again a layer later: a third of the
# CPU time. These two keep the pages (same labels, 1.7 times as fast on CPU). Only the environment can set them,
# because malloc reads them before the program starts.
ENV MALLOC_MMAP_MAX_=0 \
    MALLOC_TRIM_THRESHOLD_=1099511627776
# Threads that wait for each other spin by default, and on cores shared with other work they spin against those they
# wait for: 20 times slower there, measured. Sleeping costs next to nothing beside a convolution.
ENV OMP_WAIT_POLICY=PASSIVE
# Where the NVIDIA runtime is the engine's default, it is these two that ask it for the GPU.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

WORKDIR /opt/app
COPY weights/ weights/
COPY LICENSE inference.py ./
COPY challenge/ challenge/
COPY ensemble/ ensemble/
COPY postprocess/ postprocess/
# Readable whatever the checkout's umask was; compiled now, because nobody can write here later.
RUN find . ! -perm -o=r -exec chmod a+rX {} + \
 && python -m compileall -q .

ARG VERSION=0
ARG REVISION=unknown
# Podman's cache knows a LABEL or ENV by its text, not by what it stands for; a RUN by its arguments too.
RUN test -n "$VERSION" && test -n "$REVISION"
ENV PODIUM_VERSION=$VERSION \
    PODIUM_REVISION=$REVISION
LABEL org.opencontainers.image.title="Podium" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.licenses="Apache-2.0"

USER 1000:1000
# Exec form, full paths: `IMAGE` alone does the whole work, `IMAGE infer --data_path=...` passes its arguments on.
# Apptainer hands the host's environment in, where a cluster's modules set PYTHONHOME or PYTHONPATH: -E heeds none of
# them, -u and -B stand for the two of the image.
ENTRYPOINT ["/opt/venv/bin/python", "-E", "-s", "-u", "-B", "/opt/app/inference.py"]

# ---- the same, called over HTTP by grand-challenge: build.sh --invoke ----
FROM runtime AS invoke
LABEL org.grand-challenge.api-method="invoke"
EXPOSE 4743
CMD ["serve"]

# ---- the default: one process a case or a folder ----
FROM runtime AS exec
LABEL org.grand-challenge.api-method="exec"
