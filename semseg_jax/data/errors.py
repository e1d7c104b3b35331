"""The one error that unusable data raises: a single line naming the file."""


class DataError(ValueError):
  """Data the user has to mend; the message names file or field and the cure."""
