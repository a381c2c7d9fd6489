"""The GAN as a Lightning module: what is passed to the step (`seesaw.gan.step`), and what happens between batches."""

import copy
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from seesaw.functional.dtype import at_least_float32
from seesaw.functional.pixels import to_unit
from seesaw.functional.ranks import average_, average_buffers_, world_size
from seesaw.gan.checks import check_fresh_reals, check_options
from seesaw.gan.diagnosis import player_figures
from seesaw.gan.dynamics import Alternating, Dynamics
from seesaw.gan.fakes import FakeCache, make_fake_cache
from seesaw.gan.frozen import trainable
from seesaw.gan.growth import FullGrown
from seesaw.gan.labels import make_fake_labels
from seesaw.gan.networks import CompiledNetworks
from seesaw.gan.parts import Augmentation, DiscriminatorWrapper, Gate, InputTransform, LrScale, Part, TermPart
from seesaw.gan.penalties import Penalty
from seesaw.gan.phases import Player, build_phases
from seesaw.gan.rates import LearningRates
from seesaw.gan.step import Game, Setup
from seesaw.gan.terms import Term
from seesaw.gan.views import SingleScale
from seesaw.shared import sampling
from seesaw.shared.ema import RunningAverage
from seesaw.shared.finite import infinite_buffers
from seesaw.shared.meter import Meter
from seesaw.shared.metered import Metered
from seesaw.shared.schedules import ScheduleModule, find_schedules
from seesaw.shared.statistics import Report
from seesaw.types import Batch, Logits, Pyramid, Schedule, UserError, at


class GAN(Metered):
    """Two players and their phases, each one optimiser step, over batches of reals.

    Args:
        G: the generator (z, y) -> Fake.
        D: the discriminator (pyramid, y) -> logits.
        loss: D's adversarial term under "d", G's under "g".
        optimizer: "G" and "D": parameters -> optimizer.
        penalty: by name; see `seesaw.gan.penalties.Penalty`.
        balance: parts by name, each of one kind of `seesaw.gan.parts`.
        augment: augmentations of D's input by name, applied in this order.
        schedule: "lr": factor on both learning rates; "beta2": the value itself.
        dynamics: one, by name: the order in which gradients are taken and steps are made.
        view: reals -> the pyramid that D takes.
        growth: sets the stage of a growing model.
        order: the players in the order of their phases.
        ema_half_life: of G's average, in images.
        ema_ramp: the half-life is at most this part of the images shown, in (0, 1]. None: no such limit, a fixed decay.
        micro_batch: samples of a forward pass; the gradients of a batch are summed over its micro-batches. None: the batch.
            Terms that couple samples (BatchNorm, minibatch stddev, path length) then differ from the whole batch's.
        fresh_reals: G's steps see reals of their own, the second sub-batch of the data; else those of D's. Images shown count
            D's, so the set passes in half the time. Only a G whose loss looks at reals, a relativistic one, or at their labels
            is changed by it.
        share_fakes: run G's forward pass once a batch for both steps (`SharedFakes`).
        fake_labels: which labels the fakes of a batch get: `data`, those of its reals, or `even`, all classes equally likely.
        compile: run compiled networks on a GPU in phases without a second-order term (`CompiledNetworks`).
        seed: with the images shown it keys all randomness of training, so runs under other balances see the same noise.
        freeze_d: layers of D, counted from the image, that are never updated; see `seesaw.gan.frozen`.
        log_kimg: length of the window over which statistics are averaged, in thousands of images.

    Raises:
        ValueError: a number is out of range, or parts do not fit each other.
        UserError: options that exclude each other.
    """

    advice = "try a lower learning rate, penalty=r1 or precision=exact"

    def __init__(
        self,
        G: nn.Module,
        D: nn.Module,
        loss: Mapping[str, Term],
        optimizer: Mapping[str, Callable[..., Optimizer]],
        penalty: Mapping[str, Penalty] | None = None,
        balance: Mapping[str, Part] | None = None,
        augment: Mapping[str, Augmentation] | None = None,
        schedule: Mapping[str, Schedule] | None = None,
        dynamics: Mapping[str, Dynamics] | None = None,
        view: nn.Module | None = None,
        growth: FullGrown | None = None,
        order: Sequence[Player] = ("D", "G"),
        ema_half_life: Schedule = 10_000.0,
        ema_ramp: float | None = 0.05,
        micro_batch: int | None = None,
        fresh_reals: bool = False,
        share_fakes: bool = False,
        fake_labels: Literal["data", "even"] = "data",
        compile: bool = False,
        seed: int = 0,
        log_kimg: float = 1.0,
        freeze_d: int = 0,
    ) -> None:
        super().__init__()
        check_options(micro_batch, log_kimg, ema_half_life, ema_ramp, optimizer, dynamics)
        self._init_networks(G, D, freeze_d)
        self.phases = build_phases(loss, penalty or {}, order)
        self._init_growth(view or SingleScale(), growth or FullGrown())
        self.dynamics = next(iter((dynamics or {"alternating": Alternating()}).values()))
        self._collect_parts(balance or {}, augment or {})
        self._init_schedules(schedule or {}, ema_half_life)
        self.make_optimizer, self.seed, self.micro_batch, self.batches = optimizer, seed, micro_batch, 0
        self.rates = LearningRates(self.phases, self.schedule, self.scales)
        self.meter = Meter(max(int(log_kimg * 1000), 1), gated=bool(self.gates))
        self.ema_ramp, self.fake_labels = ema_ramp, make_fake_labels(fake_labels, self.classes)
        self.sub_batches = check_fresh_reals(fresh_reals, share_fakes, self.classes)
        fakes = make_fake_cache(self.G, share_fakes, self.phases, micro_batch, self.gates)
        self.game_setup = self._setup_game(CompiledNetworks(self.G, self.D, compile), fakes)

    def _init_networks(self, G: nn.Module, D: nn.Module, freeze_d: int) -> None:
        """Take the players, channels last, and make G's average. Weights are listed once: a walk takes as long as a layer."""
        self.G, self.D = (net.to(memory_format=torch.channels_last) for net in (G, D))
        self.weights = {"G": list(self.G.parameters()), "D": trainable(self.D, freeze_d)}
        self.z_dim, self.classes = cast(int, G.z_dim), int(getattr(G, "classes", 0))
        self.G_ema = copy.deepcopy(G).eval().requires_grad_(False)
        self.average = RunningAverage(self.G_ema, self.G)
        self.infinite = infinite_buffers(self.G, self.D)

    def _init_growth(self, view: nn.Module, growth: FullGrown) -> None:
        """Take the view of the reals and the growth, and register the phases."""
        self.view, self.growth, self.last_change = view, growth, growth.last_change
        self._phases = nn.ModuleDict(self.phases)  # saves the terms' buffers

    def _collect_parts(self, balance: Mapping[str, Part], augment: Mapping[str, Augmentation]) -> None:
        """Bind the parts to the phases, and collect them by kind."""
        self.augment, augmentations = nn.ModuleDict(dict(augment)), list(augment.values())
        self.parts: list[Part] = [*balance.values(), *augmentations]
        self.balance = nn.ModuleDict({n: part for n, part in balance.items() if not isinstance(part, TermPart)})
        for part in self.parts:
            part.bind(self.phases)  # a TermPart joins a phase, which then saves it
        self.gates = [part for part in self.parts if isinstance(part, Gate)]
        self.scales = [part for part in self.parts if isinstance(part, LrScale)]
        transforms = [part for part in self.parts if isinstance(part, InputTransform)]
        self.transforms: list[InputTransform | Augmentation] = [*transforms, *augmentations]
        self.wrappers = [part for part in self.parts if isinstance(part, DiscriminatorWrapper)]

    def _init_schedules(self, schedule: Mapping[str, Schedule], ema_half_life: Schedule) -> None:
        """Take the group `schedule`, and find the other numbers that a schedule sets, for the logs."""
        self.schedule, self.ema_half_life = dict(schedule), ema_half_life
        self._schedule = nn.ModuleDict({k: s for k, s in schedule.items() if isinstance(s, nn.Module)})
        terms = [phase.terms for phase in self.phases.values()]
        self.scheduled = find_schedules(*terms, self.balance, self.augment, self._schedule)
        self.scheduled |= {"ema_half_life": ema_half_life} if isinstance(ema_half_life, ScheduleModule) else {}
        self.scheduled.pop("lr", None)  # logged as the learning rate itself

    def _setup_game(self, networks: CompiledNetworks, fakes: FakeCache) -> Setup:
        """What stays the same in all batches."""
        return Setup(
            networks=networks,
            parameters=self.weights,
            z_dim=self.z_dim,
            view=self.view,
            into_discriminator=self.into_discriminator,
            pack=math.prod(wrapper.pack for wrapper in self.wrappers),
            gates=self.gates,
            watchers=[part for part in self.parts if part.sees_batches],
            fakes=fakes,
            fake_labels=self.fake_labels,
            rates=self.rates,
            meter=self.meter,
            seed=self.seed,
            micro_batch=self.micro_batch,
        )

    # The step

    def training_step(self, batch: Batch, batch_idx: int) -> None:
        self.check_labels(batch.y)
        of_players = Batch(to_unit(batch.real, cast(torch.dtype, self.dtype)), batch.y).sub_batches(self.sub_batches)
        optimizers = dict(zip("GD", self.optimizers(), strict=True))
        self.growth.advance(
            self.images_shown, [self.G, self.G_ema, self.D, self.view], [o.optimizer for o in optimizers.values()]
        )
        for part in self.parts:
            part.advance(self.batches, self.images_shown)
        game = self.game(*of_players[0], optimizers, for_g=of_players[-1])
        due = [phase for phase in self.phases.values() if self.batches % phase.interval == 0]
        self.game_setup.fakes.reset(any(phase.player == "G" and game.is_active(phase) for phase in due))
        self.dynamics(game, due)
        self.end_batch(len(of_players[0].real) * world_size())

    def game(
        self,
        reals: Tensor,
        y: Tensor | None,
        optimizers: Mapping[str, Any],
        setup: Setup | None = None,
        for_g: Batch | None = None,
    ) -> Game:
        """Both players before one batch of reals (B, C, H, W) in [-1, 1] with labels (B,) or None; G may have its own."""
        seen = {"D": Batch(reals, y), "G": for_g or Batch(reals, y)}
        return Game(
            setup or self.game_setup, seen, self.images_shown, self.global_rank, optimizers, self.manual_backward
        )

    def into_discriminator(self, images: Pyramid, y: Tensor | None) -> tuple[Pyramid, Tensor | None]:
        """What happens to reals and fakes on their way into D: the balance parts' transforms, the augmentations, packing."""
        for transform in self.transforms:
            images = transform(images)
        for wrapper in self.wrappers:
            images, y = wrapper(images, y)
        return images, y

    # Between the steps

    def end_batch(self, images: int) -> None:
        """Count a batch of `images` over all processes, move the average, pass statistics on."""
        self.images_shown += images
        self.batches += 1
        average_(self.shared_buffers())
        self.average.update(images, at(self.ema_half_life, self.images_shown), self.images_shown, self.ema_ramp)
        send = any(part.needs_statistics for part in self.parts)
        self.count_batch(images, send)

    def observe_batch(self, report: Report) -> None:
        for part in self.parts:
            part.observe(report.values, report.images)

    def shared_buffers(self) -> Iterator[Tensor]:
        """What terms, balance parts and augmentations count on the device: each batch the mean over the processes."""
        owners = (self._phases, self.balance, self.augment)
        return (b for owner in owners for b in owner.buffers() if b.is_floating_point())

    def current_values(self) -> dict[str, float | Tensor]:
        """Learning rates, scheduled numbers and what the parts report, at the end of a window."""
        values: dict[str, float | Tensor] = {
            f"lr/{player}": self.rates.at(player, self.images_shown) for player in "GD"
        }
        values |= {f"schedule/{name}": schedule(self.images_shown) for name, schedule in self.scheduled.items()}
        for part in self.parts:
            values |= part.report()
        return values

    def average_over_ranks(self) -> None:
        average_buffers_(self.G, self.D, self.G_ema)
        self.meter.statistics.average_over_ranks()

    # What Lightning asks for

    def configure_optimizers(self) -> list[Optimizer]:
        made = {player: self.make_optimizer[player](weights) for player, weights in self.weights.items()}
        for player, optimizer in made.items():
            self.rates.remember(player, optimizer)
        return list(made.values())

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.check_finite({"G": self.G, "G's average": self.G_ema, "D": self.D})
        own = {"images_shown": self.images_shown, "batches": self.batches}
        checkpoint["progress"] = own | self.meter.progress()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        found = len(checkpoint.get("optimizer_states") or ())
        if found != len(self.weights):
            raise UserError(f"the checkpoint holds the state of {found} optimisers, and a GAN has two: it is damaged")
        progress = checkpoint["progress"]
        self.images_shown, self.batches = progress["images_shown"], progress["batches"]
        self.meter.load_progress(progress)

    # Judging and sampling

    @torch.no_grad()
    def score_reals(self, images: Tensor, y: Tensor | None = None, batch_size: int = 256) -> dict[str, float]:
        """See `Experiment.score_reals`. D sees the images packed, and neither noised nor augmented."""
        found = [term for phase in self.phases.values() if phase.player == "D" and (term := phase.adversarial())]
        pack, training = self.game_setup.pack, self.D.training
        n, logits = len(images) // pack * pack, list[Tensor]()
        if not n or not found:
            return {}
        self.D.eval()
        try:
            for rows in torch.arange(n).split(batch_size // pack * pack or pack):
                pyramid = self.view(to_unit(images[rows].to(self.device), cast(torch.dtype, self.dtype)))
                labels = None if y is None else y[rows].to(self.device)
                for wrapper in self.wrappers:
                    pyramid, labels = wrapper(pyramid, labels)
                given = self.D(pyramid, labels)
                logits.append(at_least_float32(given.adversarial if isinstance(given, Logits) else given))
        finally:
            self.D.train(training)
        return {name: value.item() for name, value in found[0][1].scores(torch.cat(logits)).items()}

    def player_figures(self, reals: Batch, held_out: Batch | None = None) -> dict[str, float]:
        """See `seesaw.gan.diagnosis.player_figures`."""
        return player_figures(self, reals, held_out)

    def sample_pyramids(
        self,
        n: int,
        seed: int,
        y: Tensor | int | None = None,
        ema: bool = True,
        batch_size: int = 256,
        shard: tuple[int, int] = (0, 1),
    ) -> Iterator[Pyramid]:
        """See `Experiment.sample_pyramids`. BatchNorm's statistics are estimated anew for the averaged weights, on latents of
        their own key. No global generator is used, no mode and no buffer of the players changes. The buffers of several
        processes are averaged first."""
        self.check_finite({"G's average": self.G_ema} if ema else {"G": self.G})
        average_buffers_(self.G_ema if ema else self.G)
        z, labels = sampling.latents(n, self.z_dim, seed), sampling.labels(n, self.classes, seed, y)
        training = self.G.training
        own = self.z_dim, self.classes, self.seed, self.device
        G = sampling.for_evaluation(self.G_ema, *own) if ema else self.G.eval()
        try:
            yield from sampling.pyramids(G, z, labels, self.device, batch_size, shard, self.depth)
        finally:
            self.G.train(training)
