"""Certificates of planted copiers and of fresh reals: python studies/certificates.py [--draws 100]

Each draw divides the 1,797 digits at random: 900 are trained on, 180 are held out, and 700 of the rest are what a perfect
generator would give. Copies take the place of a share of these: training images as they are, with Gaussian noise of 8 of 255,
or mirrored. Counted is how often each set is called a copier, with Wilson intervals of 95 %. Also without the held-out images.
Resumable: draws that are recorded are not made again. Writes studies/results/certificates.json; takes about fifteen
minutes of a core.
"""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "tools"))
from intervals import wilson
from origin import origin

from seesaw.data.sources.digits import digits
from seesaw.functional.distances import covariance_factor, moments
from seesaw.metrics.certificate import C_T_LIMIT, EXCESS, GAP_LIMIT, QUANTILE, SIGMAS, certify, judge
from seesaw.metrics.extractors.base import ClassifierExtractor
from seesaw.metrics.reference import Reference
from seesaw.util import atomic_write, key

OUT = Path(__file__).parents[1] / "studies" / "results" / "certificates.json"
TRAINED, HELD, GIVEN = 900, 180, 700
KINDS = {0.0: ("fresh",), 0.05: ("exact",), 0.2: ("exact", "noise", "mirrored"), 1.0: ("exact", "noise", "mirrored")}
"""By the share of copies."""

TUNED = 90
"""The first draws, seen while limits were chosen; they are not counted."""

NOISE = 8


def features(extractor: ClassifierExtractor, images: Tensor) -> Tensor:
    return torch.cat([extractor(part).cpu() for part in images.split(256)])


def reference(x: Tensor, name: str) -> Reference:
    mean, cov = moments(x)
    return Reference(name, len(x), mean, cov, covariance_factor(cov), x, torch.empty(len(x), 0))


def draw(k: int, views: dict[str, Tensor]) -> dict[str, Any]:
    """All cases of one division of the digits: case -> state and figures."""
    order = torch.randperm(len(views["exact"]), generator=torch.Generator().manual_seed(key("certificates", k)))
    train, held, given = order.split([TRAINED, HELD, len(order) - TRAINED - HELD])
    given = given[:GIVEN]
    training, held_out = reference(views["exact"][train], f"t{k}"), reference(views["exact"][held], f"h{k}")
    rows = {}
    for share in KINDS:
        for kind in KINDS[share]:
            copied = round(share * len(given))
            fakes = views["exact"][given].clone()
            if copied:  # of distinct images where there are enough
                fakes[:copied] = views[kind][train[:copied]]
            for have, part in (("held out", held_out), ("without", None)):
                found = certify(fakes, training, views["mirrored"][train], part)
                rows[f"{share:g} {kind}, {have}"] = {n: round(v, 4) for n, v in found.figures.items()}
    return rows


def table(draws: dict[str, Any]) -> dict[str, Any]:
    """Of each case: how many of the draws are called copiers, and the range of its figures."""
    found = {}
    counted = [of_draw for k, of_draw in draws.items() if int(k) >= TUNED]
    for case in counted[0] if counted else ():
        rows = [of_draw[case] for of_draw in counted]
        accused = sum(judge(row, "c_t" in row)[0] == "copies" for row in rows)
        ranges = {n: [min(r[n] for r in rows), max(r[n] for r in rows)] for n in rows[0]}
        found[case] = {"copies": accused, "of": len(rows), "interval": wilson(accused, len(rows))[1:], "ranges": ranges}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100, help="divisions of the digits that count (100)")
    options = parser.parse_args()
    extractor = ClassifierExtractor("digits")
    images = digits(32).images
    noisy = images + NOISE * torch.randn(images.shape, generator=torch.Generator().manual_seed(1))
    seen = {"exact": images, "noise": noisy.round().clamp(0, 255).to(torch.uint8), "mirrored": images.flip(3)}
    views = {name: features(extractor, x) for name, x in seen.items()}
    setting = {"trained": TRAINED, "held_out": HELD, "samples": GIVEN, "noise": NOISE}
    before = json.loads(OUT.read_text(encoding="utf-8")) if OUT.is_file() else {}
    draws = before.get("draws", {}) if before.get("setting") == setting else {}
    for k in range(TUNED + options.draws):
        if str(k) not in draws:
            draws[str(k)] = draw(k, views)
            if k % 10 == 9:
                print(f"{k + 1} draws", flush=True)
                write(setting, draws)
    write(setting, draws)
    for case, row in table(draws).items():
        print(f"{case:<28}{row['copies']:>4} of {row['of']}  {row['interval']}")


def write(setting: dict[str, Any], draws: dict[str, Any]) -> None:
    limits = {"quantile": QUANTILE, "sigmas": SIGMAS, "excess": EXCESS, "c_t": C_T_LIMIT, "fld_gap": -GAP_LIMIT}
    content = {"origin": origin("python studies/certificates.py"), "setting": setting, "limits": limits, "table": table(draws)}
    content["draws"] = draws
    atomic_write(OUT, json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
