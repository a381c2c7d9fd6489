"""FFHQ: faces of high resolution."""

from seesaw.data.prepare.tree import Found
from seesaw.data.sources.faces import find_ffhq
from seesaw.data.sources.image_files import ImageFiles


class FFHQ(ImageFiles):
    """FFHQ (Karras et al. 2019): 70,000 faces of 1024 px, or its thumbnails of 128, a folder or a zip; see `find_ffhq`."""

    name = "ffhq"

    def find(self) -> Found:
        return find_ffhq(self.root)
