# docker build -t seesaw . && docker run --rm --gpus all -v "$PWD/runs:/seesaw" seesaw model=dcgan data=digits
# The torch of the package index runs on a GPU, and on a processor where there is none (leave --gpus out). For a processor alone, a
# fifth of the size: --build-arg TORCH_INDEX=… with the CPU index that the install page of pytorch.org names.
FROM python:3.12.13-slim-bookworm

ENV PYTHONUNBUFFERED=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1

# pip reads it: the versions that CI passed with. --build-arg PIP_CONSTRAINT= takes the newest that pyproject.toml allows.
WORKDIR /opt/src
COPY constraints.txt ./
ARG PIP_CONSTRAINT="/opt/src/constraints.txt"

# In a layer of its own: a changed source does not fetch gigabytes anew. An index of torch's own may lack the constraints' versions
# of what torch needs, which therefore comes with the package.
ARG TORCH_INDEX=""
RUN if [ -n "$TORCH_INDEX" ]; then set -- --index-url "$TORCH_INDEX" --no-deps; fi \
    && python -m pip install "$@" "torch>=2.11" "torchvision>=0.26"

COPY pyproject.toml README.md LICENSE ./
COPY src ./src
COPY conf ./conf
COPY train.py ./
RUN python -m pip install ".[tensorboard]" && useradd --create-home --uid 1000 seesaw && install -d -o seesaw /seesaw

# All that a run writes lies on one volume: renames stay atomic, and weights and data outlive the container.
ENV TORCH_HOME=/seesaw/cache/torch \
    SEESAW_CACHE=/seesaw/cache \
    WANDB_CACHE_DIR=/seesaw/cache/wandb \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER seesaw
WORKDIR /seesaw
VOLUME ["/seesaw"]
ENTRYPOINT ["seesaw", "train"]
