# docker build -t seesaw . && docker run --rm -v "$PWD/runs:/seesaw" seesaw model=dcgan data=digits
FROM python:3.12-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

WORKDIR /opt/src
COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY conf ./conf
COPY train.py ./
RUN python -m pip install ".[tensorboard]" && useradd --create-home --uid 1000 seesaw && install -d -o seesaw /seesaw

# All that a run writes lies on one volume: renames stay atomic, and weights and data outlive the container.
ENV TORCH_HOME=/seesaw/cache/torch \
    SEESAW_CACHE=/seesaw/cache \
    WANDB_CACHE_DIR=/seesaw/cache/wandb
USER seesaw
WORKDIR /seesaw
VOLUME ["/seesaw"]
ENTRYPOINT ["seesaw", "train"]
