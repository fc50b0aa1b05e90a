# neuro run as an image: docker build -t neuro .   (docs/running.md)
FROM debian:bookworm-slim

ARG PIP_OPTIONS=""

RUN apt-get update && apt-get install -y --no-install-recommends python3 python3-venv && rm -rf /var/lib/apt/lists/*

COPY constraints.txt dist/neuro_chain-*.whl /opt/build/

RUN python3 -m venv /opt/neuro && /opt/neuro/bin/pip install --no-cache-dir $PIP_OPTIONS -c /opt/build/constraints.txt /opt/build/neuro_chain-*.whl && rm -rf /opt/build

RUN useradd --create-home --uid 1000 neuro

# any user may run it: nothing is written beside the package
ENV PATH=/opt/neuro/bin:$PATH NUMBA_CACHE_DIR=/tmp/neuro/numba MPLCONFIGDIR=/tmp/neuro/matplotlib XDG_CACHE_HOME=/tmp/neuro/cache PYTHONNOUSERSITE=1

USER neuro
WORKDIR /tmp
ENTRYPOINT ["neuro", "run"]
