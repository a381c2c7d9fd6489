"""What is meant for the user's eyes. Imports nothing, so that mistakes answer at once."""


class UserError(Exception):
    """A mistake that the user can mend: one sentence with what is wrong, where, and what is allowed. Exit 1, no trace."""


class Diverged(UserError):
    """Numbers of training are not finite any more."""


class DataLost(UserError):
    """The images of a run are gone while it reads them. What it has learned is whole."""


class Notice(UserWarning):
    """What the user should know and need not mend: one sentence, printed without the place in the code."""
