"""The one exception that is meant for the user's eyes. Imports nothing, so that mistakes answer at once."""


class UserError(Exception):
    """A mistake that the user can mend: one sentence that says what, where, and what is allowed. Exit 1, no trace."""
