"""What a mask is good for: stickers, photographs without an object, labels for a data set."""

from segedu.applications.folder import UnreadableImageError, image_files, read_image
from segedu.applications.labels import Label, LabelFile
from segedu.applications.removal import REMOVAL_METHODS, remove_object
from segedu.applications.safe_file import ForeignFileError, ResumeError
from segedu.applications.sticker import sticker

__all__ = [
    "REMOVAL_METHODS",
    "ForeignFileError",
    "Label",
    "LabelFile",
    "ResumeError",
    "UnreadableImageError",
    "image_files",
    "read_image",
    "remove_object",
    "sticker",
]
