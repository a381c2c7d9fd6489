"""The model card of an export: data, figures with their protocol, verdict, certificate, licence, intended use."""

from collections.abc import Iterable
from typing import Any

import yaml

from seesaw.export.describe import Known
from seesaw.trained.trained import Trained

UNKNOWN = "unknown"
"""The licence of a model for which none was given, by Hugging Face's identifiers."""

AVERAGED = {
    True: "Its weights are an average over training.",
    False: "Its weights are those of the last step, not averaged.",
}


def card(run: Trained, known: Known, license: str, made: Iterable[str], use: str) -> str:
    """The card as Markdown, with YAML in front.

    Args:
        run: what is exported. known: of its run folder.
        license: an identifier.
        made: lines on the export itself.
        use: how the file is used, as Markdown.
    """
    parts = [
        front(run, license),
        f"# {title(run)}",
        sentence(run),
        *section("Data", data(run)),
        *section("Figures", figures(known)),
        *section("Monitor and memorisation", health(run, known)),
        *section("Licence", licence(license)),
        *section("Intended use", INTENDED),
        *section("Files", list(made)),
        f"## Use\n\n{use}",
    ]
    return "\n\n".join(parts) + "\n"


INTENDED = [
    "Research on generative adversarial networks, and illustration of it.",
    "Samples show what the training images show, with their gaps and their biases; they are no record of anything real.",
    "Not for deceiving people, and not for decisions about people.",
]


def front(run: Trained, license: str) -> str:
    """The YAML in front, by which Hugging Face sorts models."""
    kind = "image" if not run.points else "points"
    tags = ["gan" if "G" in run.config["model"] else "vae", family(run), f"generated-{kind}", "seesaw"]
    task = {} if run.points or run.classes else {"pipeline_tag": "unconditional-image-generation"}
    node = {"license": license, "library_name": "seesaw", **task, "tags": tags}
    return f"---\n{yaml.safe_dump(node, sort_keys=False)}---"


def family(run: Trained) -> str:
    """dcgan, stylegan2, …: the file of the generator's class."""
    model = run.config["model"]
    return str((model.get("G") or model.get("decoder"))["_target_"]).split(".")[-2]


def title(run: Trained) -> str:
    """`dcgan on Digits, 28x28, at 400 kimg`."""
    return f"{family(run)} on {name_of_data(run)}, {shape(run)}, at {run.images_shown / 1000:g} kimg"


def name_of_data(run: Trained) -> str:
    return str(run.config["data"]["_target_"]).rpartition(".")[2]


def shape(run: Trained) -> str:
    """`28x28x1`, or `points of the plane`."""
    height, width = run.resolution
    return "points of the plane" if run.points else f"{height}x{width}x{run.channels}"


def sentence(run: Trained) -> str:
    """What the model takes and gives."""
    parameters = sum(p.numel() for p in run.generator.parameters())
    labels = f" and a label from 0 to {run.classes - 1}" if run.classes else ""
    return (
        f"A generator of {parameters:,} parameters: {run.z_dim} numbers from a standard normal distribution{labels} to "
        f"{shape(run)}{'' if run.points else ' with values from -1 to 1'}. {AVERAGED[run.averaged]}"
    )


def data(run: Trained) -> list[str]:
    """The lines on the data."""
    node = run.config["data"]
    root = f", of a folder called {str(node['root']).rstrip('/').rpartition('/')[2]}" if node.get("root") else ""
    lines = [f"{name_of_data(run)} (`{node['_target_']}`){root}, {shape(run)}, {run.depth} bits."]
    names = ", ".join(run.class_names[:20]) + (" …" if len(run.class_names) > 20 else "")
    lines += [f"{run.classes} classes{f': {names}' if names else ''}."] if run.classes else []
    return [*lines, f"{run.images_shown:,} images shown in training, repetitions counted."]


def figures(known: Known) -> list[str]:
    """The lines on what was measured."""
    if not known.figures:
        return ["None were measured, or the weights lay in no run folder."]
    lines = [f"`{name}` {value:.6g}" for name, value in known.figures.items()]
    return [f"Measured at {known.measured_kimg:g} kimg.", *lines, f"Protocol: {known.protocol or 'not recorded'}."]


def health(run: Trained, known: Known) -> list[str]:
    """The lines on the monitor and on memorisation."""
    verdict = f"The monitor of the run at that moment: {known.verdict}." if known.verdict else "No verdict is recorded."
    found = known.certificate
    if not found:
        return [verdict, "No certificate of memorisation is recorded (`seesaw certify` makes one)."]
    other = found.get("kimg")
    of = "" if other == run.images_shown / 1000 else f", of the weights at {other} kimg and not of these"
    return [verdict, f"Certificate: {found.get('state')}{of}.", *(f"{s}." for s in found.get("sentences") or [])]


def licence(license: str) -> list[str]:
    """The lines on the licence."""
    if license == UNKNOWN:
        return [f"`{UNKNOWN}`: none was chosen. That of the training images may bind the weights too."]
    return [f"`{license}`, as whoever exported it stated."]


def section(heading: str, lines: list[Any]) -> list[str]:
    """A heading and its lines as a list."""
    return [f"## {heading}\n\n" + "\n".join(f"- {line}" for line in lines)]
