"""Train a GAN: `python train.py model=dcgan data=digits`. `python train.py --help` lists groups and options."""

import sys

if __name__ == "__main__":
    if not sys.flags.safe_path:  # this folder goes behind the installed packages, so that no file in it shadows one
        sys.path.append(sys.path.pop(0))
    try:
        from seesaw.cli.train import main

        sys.exit(main())
    except KeyboardInterrupt:  # in the second in which the program is imported
        sys.exit(130)
