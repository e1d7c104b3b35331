"""The errors that unusable data raises: a single line naming the file."""


class DataError(ValueError):
  """Data the user has to mend; the message names file or field and the cure."""


class AbsentError(DataError):
  """A download that is not there at all, as against one that is broken."""
