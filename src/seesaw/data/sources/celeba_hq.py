"""CelebA-HQ: faces of high resolution."""

from seesaw.data.prepare.tree import Found
from seesaw.data.sources.faces import find_celeba_hq
from seesaw.data.sources.image_files import ImageFiles


class CelebAHQ(ImageFiles):
    """CelebA-HQ (Karras et al. 2018): 30,000 faces of up to 1024 px, a folder or a zip; see `find_celeba_hq`."""

    name = "celeba_hq"

    def find(self) -> Found:
        return find_celeba_hq(self.root)
