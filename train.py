"""Train a GAN: `python train.py model=dcgan data=digits`. `python train.py --help` lists groups and options."""

import sys

if __name__ == "__main__":
    try:
        from seesaw.cli.train import main

        sys.exit(main())
    except KeyboardInterrupt:  # in the second in which the program is imported
        sys.exit(130)
