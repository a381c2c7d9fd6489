"""Train a GAN: `python train.py model=dcgan data=digits`. `python train.py --help` lists groups and options."""

import sys

from seesaw.cli.train import main

if __name__ == "__main__":
    sys.exit(main())
