"""Parses the text after the colon of --config=file.py:TEXT.

Comma-separated `name=value` pairs and bare words, e.g.
`labels=10,unlabeled=3000,seed=1,smoke`. What a config accepts is stated by its
defaults; anything else is an error that lists them.
"""


def parse_arg(arg: str, **defaults):
  """Reads `arg` against `defaults`.

  Args:
    arg: text such as "labels=10,smoke"; empty for the defaults.
    **defaults: accepted names; a bool default is a bare word.

  Returns:
    dict of the defaults with what `arg` sets, in the defaults' types.

  Raises:
    ValueError: unknown name or a value of the wrong type.
  """
  values = dict(defaults)
  for item in filter(None, (arg or "").split(",")):
    name, _, text = item.partition("=")
    if name not in defaults:
      raise ValueError(
          f"config argument {name!r} is unknown; this config accepts "
          f"{', '.join(defaults)}")
    kind = type(defaults[name])
    if kind is bool:
      if text not in ("", "true", "false", "True", "False"):
        raise ValueError(
            f"config argument {name!r} is a bare word or true/false, "
            f"not {text!r}")
      values[name] = text.lower() != "false"
      continue
    try:
      values[name] = kind(text)
    except ValueError:
      raise ValueError(
          f"config argument {name}={text!r} is not of type "
          f"{kind.__name__}") from None
  return values
