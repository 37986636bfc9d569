"""segedu: a course on image segmentation; one section of the syllabus, one subpackage."""

__version__ = "0.1.0"
