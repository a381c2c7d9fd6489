"""The studies by name, and of each its runs: name -> overrides. studies.py runs them."""

STRONG_D = [  # D's learning rate is ten times the classic 2e-4 that G keeps; nothing else holds D back
    "optimizer.G.lr=2e-4", "optimizer.D.lr=2e-3", "penalty=none", "schedule=constant", "kimg=60",
    "evaluate_kimg=10", "sample_kimg=60",
]  # fmt: skip
POINTS = {
    "grid mlp": ["model=mlp", "data=gaussians_grid", "evaluate_kimg=100"],
    "grid mlp_points": ["model=mlp_points", "data=gaussians_grid", "evaluate_kimg=500"],
    "ring mlp_points": ["model=mlp_points", "data=gaussians_ring", "evaluate_kimg=500"],
}
STACKED = [
    "model=dcgan_small",
    "data=stacked_digits",
    "model.G.z_dim=64",
    "kimg=200",
    "evaluate_kimg=100",
    "sample_kimg=100",
]
PACKING = [  # half of dcgan_small's widths and three times its latent dimensions: three digits an image
    "model=dcgan_small", "data=stacked_digits", "model.G.z_dim=18", "model.G.width=16", "model.D.width=16", "kimg=120",
    "evaluate_kimg=120", "sample_kimg=120",
]  # fmt: skip
SMALL_SETS = {
    "300 digits": ["data=digits", "data.limit=300"],
    "1000 emoji": ["data=folder", "data.root=cache/emoji64", "data.limit=1000", "metrics=efflite0", "model.G.z_dim=64",
                   "penalty.r1.gamma=2"],
}  # fmt: skip
SMALL = [
    "model=dcgan_small",
    "kimg=60",
    "evaluate_kimg=10",
    "sample_kimg=20",
    "data.holdout=0.2",
    "metrics.against=held_out",
]
SLOW = ["optimizer.G.lr=2e-4", "optimizer.D.lr=2e-4", "schedule=constant"]
FAMILIES = {  # about four minutes each on one core; what they show at equal images is read from the same runs
    "dcgan_small": ["model=dcgan_small", "kimg=240"],
    "progan_small": ["model=progan_small"],
    "msggan_small": ["model=msggan_small"],
}
FONTS = [  # many fonts, so that a generator must learn letters and not files: python tools/fetch_fonts.py
    "data=glyphs", "data.root=cache/fonts", "data.count=2", "metrics=glyphs", "metrics.n=1000",
]  # fmt: skip
TRANSFER = [  # both alphabets have the same fonts; distances are to families of fonts that no run has seen
    *FONTS, "model=dcgan_small", "model.G.z_dim=32", "metrics.against=held_out", "kimg=24", "evaluate_kimg=3", "sample_kimg=12",
]  # fmt: skip
LABELLED = {"digits": ["data=digits"], "glyphs": FONTS}
BRIEF = {  # two to four minutes on one core with AVX2 alone; the pyramids at 16 px, so that three seeds are a matter of minutes
    "dcgan_small": ["model=dcgan_small", "kimg=40"],
    "progan_small": ["model=progan_small", "data.resolution=16", "kimg=32", "model.growth.fade=4000",
                     "model.growth.stabilise=4000"],
    "msggan_small": ["model=msggan_small", "data.resolution=16", "kimg=16"],
}  # fmt: skip
TODAY = {  # about five minutes on one core with AVX2 alone; dcgan_small again, so that all rows are of one day and machine
    "dcgan_small": ["model=dcgan_small", "kimg=60", "evaluate_kimg=4"],
    "sngan_small": ["model=sngan_small", "kimg=40", "evaluate_kimg=4"],
    "stylegan2_small": ["model=stylegan2_small", "kimg=40", "evaluate_kimg=4"],
    "r3gan_small": ["model=r3gan_small", "kimg=16", "evaluate_kimg=2"],
    "vae_small": ["model=vae_small", "evaluate_kimg=10"],
}
GALLERY = {  # sets to look at, a seed each; where the emoji and the photographs come from stands in docs/results.md
    "fashion_mnist": ["data=fashion_mnist"],
    "emoji": ["data=folder", "data.root=cache/emoji_small", "data.resolution=32", "data.channels=3", "metrics=efflite0",
              "metrics.n=459"],
}  # fmt: skip
FEW = {  # a few hundred images of 64 px; distances by features that a projected discriminator does not see
    "emoji": ["data=folder", "data.root=cache/emoji_small", "data.resolution=64", "metrics=self_supervised"],
    "photographs": ["data=folder", "data.root=cache/photos/train", "data.resolution=64", "metrics=self_supervised"],
}
BESIDE = {  # as many kimg as take equal CPU minutes
    "projected_small": ["model=projected_small", "kimg=60", "evaluate_kimg=10", "sample_kimg=5"],
    "dcgan_small": ["model=dcgan_small", "model.G.z_dim=64", "penalty.r1.gamma=2", "kimg=75", "evaluate_kimg=25",
                    "sample_kimg=25"],
}  # fmt: skip
RELATIVE = {  # R3GAN's question on 1000 modes: does a relativistic loss keep them, and what do its penalties add
    "r3gan_small": [],
    "rpgan alone": ["penalty=none"],
    "non_saturating r1_r2": ["loss=non_saturating"],
    "non_saturating alone": ["loss=non_saturating", "penalty=none"],
}
CONDITIONS = {"unconditional": [], "conditional": ["data.labels=true"]}
STUDIES: dict[str, dict[str, list[str]]] = {
    "main_job": {f"seed={s}": [f"seed={s}"] for s in (1, 2, 3)},
    "mlp": {f"seed={s}": ["model=mlp", f"seed={s}"] for s in (1, 2, 3)},
    "fashion_mnist": {f"seed={s}": ["data=fashion_mnist", f"seed={s}", "kimg=300", "evaluate_kimg=100"] for s in (1,)},
    "gaussians": {f"{name} seed={s}": [*how, f"seed={s}"] for name, how in POINTS.items() for s in (1, 2, 3)},
    "stacked_digits": {f"penalty={p} seed=1": [*STACKED, f"penalty={p}", "seed=1"] for p in ("none", "r1")},
    "emoji": {
        "seed=1": [
            "seed=1",
            "model=dcgan_small",
            "data=folder",
            "data.root=cache/emoji64",
            "metrics=efflite0",
            "model.G.z_dim=64",
            "penalty.r1.gamma=2",
            "kimg=120",
            "evaluate_kimg=60",
            "sample_kimg=30",
        ],
    },
    "families_digits": {
        f"{name} seed={s}": [*how, f"seed={s}", "evaluate_kimg=10", "sample_kimg=20"]
        for s in (1, 2, 3)
        for name, how in FAMILIES.items()
    },
    "families_fashion": {
        f"{name} seed={s}": [*how, f"seed={s}", "data=fashion_mnist", "evaluate_kimg=20", "sample_kimg=20"]
        for s in (1, 2, 3)
        for name, how in FAMILIES.items()
    },
    "families_today": {  # the families of 0.3.0 beside dcgan_small, at equal images and at equal minutes
        f"{data} {name} seed={s}": [*which, *how, f"seed={s}", "sample_kimg=8"]
        for data, which in LABELLED.items()
        for s in (1, 2, 3)
        for name, how in TODAY.items()
    },
    "gallery": {
        f"{data} {name} seed=1": [*which, *how, "seed=1", "sample_kimg=8"]
        for data, which in GALLERY.items()
        for name, how in TODAY.items()
    },
    "projected": {
        f"{data} {name} seed=1": [*which, *how, "seed=1"] for data, which in FEW.items() for name, how in BESIDE.items()
    },
    "stacked_relative": {
        f"{name} seed={s}": [
            "model=r3gan_small",
            "data=stacked_digits",
            *how,
            "kimg=12",
            "evaluate_kimg=4",
            "sample_kimg=12",
            f"seed={s}",
        ]
        for s in (1, 2, 3, 4, 5)
        for name, how in RELATIVE.items()
    },
    "conditional": {  # what labels do at equal images
        f"{data} {name} {kind} seed={s}": [*which, *how, *labels, f"seed={s}", "evaluate_kimg=8", "sample_kimg=8"]
        for data, which in LABELLED.items()
        for name, how in BRIEF.items()
        for kind, labels in CONDITIONS.items()
        for s in (1, 2, 3)
    },
    "learning_rates": {  # the claim of MSG-GAN's section 4.3: one setting serves where ProGAN has to be tuned
        f"{model} lr={lr} seed=1": [
            f"model={model}",
            f"optimizer.G.lr={lr}",
            f"optimizer.D.lr={lr}",
            "seed=1",
            "evaluate_kimg=20",
            "sample_kimg=20",
        ]
        for lr in ("1e-3", "3e-3", "5e-3", "1e-2")
        for model in ("msggan_small", "progan_small")
    },
    "packing": {  # PacGAN's question: does packing keep the modes, beside nothing and beside R1
        f"{name} seed={s}": [*PACKING, *how, f"seed={s}"]
        for s in (1, 2, 3, 4, 5)
        for name, how in {
            "plain": ["penalty=none"],
            "pac m=2": ["penalty=none", "balance=pac", "balance.pac.m=2"],
            "pac m=4": ["penalty=none", "balance=pac", "balance.pac.m=4"],
            "r1": ["penalty=r1"],
        }.items()
    },
    "packing_slow": {  # the same at the classic DCGAN's learning rate
        f"{name} seed={s}": [*PACKING, *SLOW, *how, f"seed={s}"]
        for s in (1, 2, 3, 4, 5)
        for name, how in {
            "plain": ["penalty=none"],
            "pac m=2": ["penalty=none", "balance=pac", "balance.pac.m=2"],
            "r1": ["penalty=r1"],
        }.items()
    },
    "augment": {  # small sets at equal images: what augmentation does for the distance to images that nobody trained on
        f"{name} augment={augment} seed={s}": [
            *SMALL,
            *how,
            f"augment={augment}",
            *(["augment.ada.speed_kimg=50"] if augment == "ada" else []),  # runs of 60 kimg, where the paper has 25,000
            f"seed={s}",
        ]
        for name, how in SMALL_SETS.items()
        for augment in ("none", "diffaugment", "ada")
        for s in (1, 2, 3)
    },
    "transfer": {  # does a generator of capitals learn small letters sooner, and does FreezeD help
        f"{name} seed={s}": [*TRANSFER, *(part.format(seed=s) for part in how), f"seed={s}"]
        for s in (1, 2, 3)
        for name, how in {
            "lower scratch": ["data.alphabet=lower"],
            "upper": ["data.alphabet=upper"],
            "lower transfer": ["data.alphabet=lower", "init_from=runs/studies/transfer/upper-seed{seed}"],
            "lower freeze_d 1": [
                "data.alphabet=lower",
                "init_from=runs/studies/transfer/upper-seed{seed}",
                "model.freeze_d=1",
            ],
        }.items()
    },
    "skip_d": {
        f"balance={b} seed={s}": [f"balance={b}", f"seed={s}", *STRONG_D]
        for b in ("none", "skip_d")
        for s in (1, 2, 3, 4, 5)
    },
}
