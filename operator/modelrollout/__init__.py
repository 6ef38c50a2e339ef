"""modelrollout: takes model versions into production in stages, and takes them back when they are worse."""

__version__ = "0.1.0"
