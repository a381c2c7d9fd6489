"""One training step for every GAN."""

import copy
import math
import time
from collections.abc import Callable, Iterator
from typing import Any, cast

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer

from seesaw.functional.keys import key, reseed
from seesaw.functional.pixels import to_stored, to_unit
from seesaw.functional.ranks import average_, average_buffers_, world_size
from seesaw.gan.augment import Identity
from seesaw.gan.balance import DiscriminatorWrapper, Gate, InputTransform, LrScale, Part, TermPart
from seesaw.gan.batch import AdversarialBatch
from seesaw.gan.checks import check_figures, check_options, check_weights
from seesaw.gan.compiled import Players
from seesaw.gan.ema import RunningAverage, with_estimated_batch_norm
from seesaw.gan.growth import FullGrown
from seesaw.gan.learning_rate import LearningRates
from seesaw.gan.phases import Phase, label
from seesaw.gan.schedules import Constant, ScheduleModule
from seesaw.gan.sharing import fakes_of
from seesaw.gan.statistics import Statistics
from seesaw.gan.views import SingleScale
from seesaw.types import Batch, Pyramid, Schedule, at


class GAN(LightningModule):
    """Two players and their phases, each one optimiser step, over batches of reals.

    Args:
        G, D: the generator (z, y) -> Fake and the discriminator (pyramid, y) -> logits.
        phases: named, played in this order in every batch in which they are due.
        optimizers: "G" and "D": parameters -> optimizer.
        seed: with the images shown it keys all randomness of training, so runs under other balances see the same noise.
        balance: named parts, each of one kind of `seesaw.gan.balance`.
        view: reals -> the pyramid D takes. augment: pyramid -> pyramid on D's input. growth: sets the stage.
        schedule: "lr": factor on both learning rates, of images shown.
        ema_half_life: of G's average, in images; at most 5 % of the images shown.
        micro_batch: samples a forward pass; the gradients of a batch are summed over its micro-batches. None: the batch.
            Terms that couple samples (BatchNorm, minibatch stddev, path length) then differ from the whole batch's.
        share_fakes: whether G's forward pass runs once a batch and serves both steps (`SharedFakes`). compile: whether phases
            without a second-order term run compiled nets on a GPU (`Players`).
        log_kimg: length of the window over which statistics are averaged, in thousands of images.
        recipe: "kimg" and "batch_size" that the model's source trains with. The top level of the configuration takes its
            defaults from here; the step does not read it.
    """

    on_train_batch_start = None  # type: ignore[assignment] # not asked in each step: see BatchCallback
    on_before_backward = None  # type: ignore[assignment]
    on_after_backward = None  # type: ignore[assignment]
    on_before_optimizer_step = None  # type: ignore[assignment]

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        phases: dict[str, Phase],
        optimizers: dict[str, Callable[..., Optimizer]],
        seed: int = 0,
        balance: dict[str, Part] | None = None,
        view: nn.Module | None = None,
        augment: nn.Module | None = None,
        growth: FullGrown | None = None,
        schedule: dict[str, ScheduleModule] | None = None,
        ema_half_life: Schedule = 10_000.0,
        micro_batch: int | None = None,
        share_fakes: bool = False,
        compile: bool = False,
        log_kimg: float = 1.0,
        recipe: dict[str, float] | None = None,
    ) -> None:
        super().__init__()
        check_options(micro_batch, log_kimg, ema_half_life)
        self.automatic_optimization = False
        self.seat(G, D)
        self.phases, self._phases = phases, nn.ModuleDict(phases)  # the second saves the terms' buffers
        self.view, self.augment, self.growth = view or SingleScale(), augment or Identity(), growth or FullGrown()
        self.take(balance or {}, phases)
        self.players = Players(self.G, self.D, compile)
        self.fakes = fakes_of(self.G, share_fakes, phases, micro_batch, self.gates)
        self.schedule = schedule or {"lr": Constant()}
        self._schedule = nn.ModuleDict(self.schedule)
        self.learning_rates = LearningRates(phases, self.schedule["lr"], self.scales)
        self.make_optimizer, self.ema_half_life = optimizers, ema_half_life
        self.seed, self.micro_batch, self.log_images = seed, micro_batch, max(int(log_kimg * 1000), 1)
        self.statistics = Statistics()
        self.images_shown, self.batches, self.updates = 0, 0, {"G": 0, "D": 0}
        self.rests = {"G": 0, "D": 0}  # turns that a gate took, in this window
        self.known: dict[str, float] = {}  # the newest figure of each name, for the progress bar
        self.on_report: Callable[[int, dict[str, float]], None] = lambda images_shown, values: None
        self.seconds, self._mark, self._window_images = 0.0, 0.0, 0

    def seat(self, G: nn.Module, D: nn.Module) -> None:
        """Take the players, channels last, and make G's average. Weights are listed once: a walk takes as long as a layer."""
        self.G, self.D = (net.to(memory_format=torch.channels_last) for net in (G, D))
        self.weights = {"G": list(self.G.parameters()), "D": list(self.D.parameters())}
        self.z_dim = cast(int, G.z_dim)
        self.G_ema = copy.deepcopy(G).eval().requires_grad_(False)
        self.average = RunningAverage(self.G_ema, self.G)

    def take(self, balance: dict[str, Part], phases: dict[str, Phase]) -> None:
        """Show the balance parts the phases, and collect them by kind."""
        self.parts = list(balance.values())
        self.balance = nn.ModuleDict({n: part for n, part in balance.items() if not isinstance(part, TermPart)})
        for part in self.parts:
            part.bind(phases)  # a TermPart joins a phase, which then saves it
        self.gates = [part for part in self.parts if isinstance(part, Gate)]
        self.scales = [part for part in self.parts if isinstance(part, LrScale)]
        self.transforms = [part for part in self.parts if isinstance(part, InputTransform)]
        self.wrappers = [part for part in self.parts if isinstance(part, DiscriminatorWrapper)]

    # The step

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        reals = to_unit(batch.real, cast(torch.dtype, self.dtype))
        optimizers = dict(zip("GD", self.optimizers(), strict=True))
        moving = [self.G, self.G_ema, self.D, self.view]
        self.growth.advance(self.images_shown, moving, [o.optimizer for o in optimizers.values()])
        for part in self.parts:
            part.advance(self.batches, self.images_shown)
        due = {name: phase for name, phase in self.phases.items() if self.batches % phase.every == 0}
        self.fakes.begin(any(self.plays(phase) for phase in due.values() if phase.player == "G"))
        for name, phase in due.items():
            self.play(name, phase, reals, batch.y, optimizers[phase.player])
        self.end_batch(len(reals) * world_size())

    def play(self, name: str, phase: Phase, reals: Tensor, y: Tensor | None, optimizer: Any) -> None:
        """One phase over the micro-batches: an optimiser step, or a look without gradient where a gate is closed."""
        n = max(int(len(reals) * phase.share), 1)
        z = self.latents(name, len(reals))
        plays = self.plays(phase)
        self.turn(phase.player)
        for k, first in enumerate(range(0, n, self.micro_batch or n)):
            rows = slice(first, min(first + (self.micro_batch or n), n))
            reseed(key(self.seed, self.images_shown, name, k, self.global_rank), z.device)
            seen = self.see(phase, reals[rows], z[rows], None if y is None else y[rows])
            if plays:
                loss, values = phase(seen)
                self.manual_backward(loss * ((rows.stop - first) / n))
            else:
                values = phase.watch(seen)
            values |= self.scores(phase, seen)
            self.statistics.add({label(name, what): v for what, v in values.items()}, rows.stop - first)
        if plays:
            self.step(phase.player, optimizer)
        else:
            self.rests[phase.player] += 1

    def plays(self, phase: Phase) -> bool:
        return all(gate.plays(phase) for gate in self.gates)

    def see(self, phase: Phase, reals: Tensor, z: Tensor, y: Tensor | None) -> AdversarialBatch:
        return AdversarialBatch(
            self.fakes.by(self.players.of("G", phase)), self.players.of("D", phase), reals, z, y,
            view=self.view, augment=self.into_discriminator,
            player=phase.player, grad_of=phase.grad_of, images_shown=self.images_shown,
        )  # fmt: skip

    def into_discriminator(self, images: Pyramid) -> Pyramid:
        """What happens to reals and fakes on their way into D: the balance parts' transforms, the augmentation, packing."""
        for transform in self.transforms:
            images = transform(images)
        images = self.augment(images)
        for wrapper in self.wrappers:
            images = wrapper(images)
        return images

    def turn(self, player: str) -> None:
        """Only the player has gradients, and none yet: the opponent is frozen, so nothing is computed for its weights."""
        for owner, weights in self.weights.items():
            for w in weights:
                w.requires_grad = owner == player
        for w in self.weights[player]:
            w.grad = None

    def step(self, player: str, optimizer: Any) -> None:
        self.learning_rates.apply(player, optimizer.optimizer, self.images_shown)
        optimizer.step()
        norm = f"grad_norm/{player}"
        if not self.statistics.has(norm):  # once a window: a pass over the gradients, which by now are averaged
            grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
            self.statistics.add({norm: nn.utils.get_total_norm(grads)}, 1)
        self.updates[player] += 1

    def latents(self, phase: str, n: int) -> Tensor:
        """This rank's rows of the global batch's latents (n, z_dim), keyed by the time and, where it has its own, the phase."""
        device, world, rank = self.device, world_size(), self.global_rank
        generator = torch.Generator(device).manual_seed(
            key(self.seed, self.images_shown, self.fakes.latents_of(phase), "z")
        )
        dtype = cast(torch.dtype, self.dtype)
        z = torch.randn(n * world, self.z_dim, generator=generator, device=device, dtype=dtype)
        return z[rank * n : (rank + 1) * n]

    @staticmethod
    def scores(phase: Phase, seen: AdversarialBatch) -> dict[str, Tensor]:
        """D's accuracy and mean logits, from what the adversarial term asked for anyway."""
        found = phase.adversarial()
        if found is None:
            return {}
        return {
            "accuracy": found[1].accuracy(seen),
            "logits_real": seen.real_logits,
            "logits_fake": seen.fake_logits,
        }

    # Between the steps

    def end_batch(self, images: int) -> None:
        before, self.images_shown = self.images_shown, self.images_shown + images
        self.batches += 1
        self._window_images += images
        average_(self.shared_buffers())
        self.average.update(images, at(self.ema_half_life, self.images_shown), self.images_shown)
        self.statistics.end_batch(self.images_shown, images, send=any(part.listens for part in self.parts))
        now = time.perf_counter()
        self.seconds += now - self._mark
        self._mark = now
        if before // self.log_images != self.images_shown // self.log_images:
            self.end_window()
        self.read(self.images_shown)

    def shared_buffers(self) -> Iterator[Tensor]:
        """What terms, balance parts and the augmentation count on the device: each batch the mean over the processes."""
        owners = (self._phases, self.balance, self.augment)
        return (b for owner in owners for b in owner.buffers() if b.is_floating_point())

    def average_over_ranks(self) -> None:
        """Give all processes the mean of what each counted: the players' buffers, the window's statistics. Before saving."""
        average_buffers_(self.G, self.D, self.G_ema)
        self.statistics.average_over_ranks()

    def end_window(self) -> None:
        known = {f"updates/{p}": float(n) for p, n in self.updates.items()}
        known |= {f"lr/{p}": self.learning_rates.at(p, self.images_shown) for p in "GD"}
        known["images_per_sec"] = self._window_images / max(self.seconds, 1e-9)
        for part in self.parts:
            known |= part.report()
        if self.gates:
            known |= {f"rests/{p}": float(n) for p, n in self.rests.items()}
        self.rests = {"G": 0, "D": 0}
        self.statistics.end_window(self.images_shown, known)
        self.seconds, self._window_images = 0.0, 0

    def read(self, up_to: float) -> None:
        """Hand what has arrived to the balance parts and to the loggers."""
        for report in self.statistics.read(up_to):
            if report.kind == "batch":
                for part in self.parts:
                    part.observe(report.values, report.images)
            else:
                self.known |= report.values
                self.on_report(report.images_shown, report.values)
                check_figures(report)

    def settle(self, finished: bool = False) -> None:
        """Hand over what is still in flight, at the end of a run, whatever its end was. Of a run that has `finished`, the last
        window too, however short (an interrupted one completes it when it goes on). UserError where a figure is not finite."""
        if finished and self._window_images > 0:
            self.end_window()
        for report in self.statistics.read(math.inf):
            if report.kind == "window":
                self.on_report(report.images_shown, report.values)
                if finished:
                    check_figures(report)

    def on_train_batch_end(self, *args: Any) -> None:
        self._mark = time.perf_counter()  # what the callbacks took is not training time

    def on_train_start(self) -> None:
        self.statistics.move(self.device)
        self._mark = time.perf_counter()

    def on_distance(self, value: float) -> None:
        """Told by the evaluation: the plateau schedule listens."""
        for schedule in self.schedule.values():
            schedule.observe(value)

    def on_other_distance(self) -> None:
        """Told where the evaluation measures something else than before: what schedules remember does not compare."""
        for schedule in self.schedule.values():
            schedule.forget()

    # What Lightning asks for

    def configure_optimizers(self) -> list[Optimizer]:
        made = {p: self.make_optimizer[p](net.parameters()) for p, net in (("G", self.G), ("D", self.D))}
        for player, optimizer in made.items():
            self.learning_rates.remember(player, optimizer)
        return list(made.values())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        check_weights({"G": self.G, "G's average": self.G_ema, "D": self.D}, self.images_shown)
        checkpoint["progress"] = {
            "images_shown": self.images_shown,
            "batches": self.batches,
            "updates": dict(self.updates),
            "window_images": self._window_images,
            "rests": dict(self.rests),
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        progress = checkpoint["progress"]
        self.images_shown, self.batches = progress["images_shown"], progress["batches"]
        self.updates, self._window_images = dict(progress["updates"]), progress["window_images"]
        self.rests = dict(progress["rests"])

    # Sampling

    def sample(
        self, n: int, seed: int, ema: bool = True, batch_size: int = 256, turn: tuple[int, int] = (0, 1)
    ) -> Iterator[Tensor]:
        """Finest-scale images of n latents keyed by `seed` alone: uint8 (b, C, H, W) on the device, chunk by chunk; points of
        the plane are float32 (b, 2, 1, 1).
        """
        for pyramid in self.sample_pyramids(n, seed, ema, batch_size, turn):
            yield pyramid[-1]

    @torch.no_grad()
    def sample_pyramids(
        self, n: int, seed: int, ema: bool = True, batch_size: int = 256, turn: tuple[int, int] = (0, 1)
    ) -> Iterator[Pyramid]:
        """All that G gives for n latents keyed by `seed` alone, coarse to fine, stored as `sample` stores the finest.

        BatchNorm's statistics are estimated anew for the averaged weights, on latents of their own key. Training goes on as
        if nothing had been: no global generator is used, no mode and no buffer of the players changes. `turn` (i, k): only every
        k-th chunk, from the i-th on. Several processes call it together, and their buffers are averaged first.
        """
        check_weights({"G's average": self.G_ema} if ema else {"G": self.G}, self.images_shown)
        average_buffers_(self.G_ema if ema else self.G)
        z = torch.randn(n, self.z_dim, generator=torch.Generator().manual_seed(key(seed, "sample")))
        training = self.G.training
        if ema:
            own = torch.randn(16, 64, self.z_dim, generator=torch.Generator().manual_seed(key(self.seed, "batch norm")))
            G = with_estimated_batch_norm(self.G_ema, list(own.to(self.device)))
        else:
            G = self.G.eval()
        try:
            for part in z.split(batch_size)[turn[0] :: turn[1]]:
                yield [to_stored(images) for images in G(part.to(self.device)).images]
        finally:
            self.G.train(training)
