# docker build -t seesaw . && docker run --rm -v "$PWD/runs:/work" seesaw model=dcgan data=digits
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/seesaw
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY conf ./conf
COPY train.py ./
RUN python -m pip install ".[tensorboard]" && useradd --create-home --uid 1000 seesaw && install -d -o seesaw /work

# All that a run writes lies on one volume: renames stay atomic, and weights and data outlive the container.
ENV TORCH_HOME=/work/cache/torch \
    SEESAW_CACHE=/work/cache \
    WANDB_CACHE_DIR=/work/cache/wandb \
    TMPDIR=/tmp
USER seesaw
WORKDIR /work
VOLUME ["/work"]
ENTRYPOINT ["seesaw", "train"]
