"""YAML that people read: texts of several lines as blocks, nothing by reference."""

from typing import Any

import yaml


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such: expressions and dashboards stay readable."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - PyYAML asks like this
        """Write what is there twice twice; anchors are not for people."""
        return True


def dumped(found: Any, *, width: int) -> str:
    """Return a value as YAML, in the order of its keys, in lines of up to `width`."""
    return yaml.dump(found, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = "|" if "\n" in text else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", str(text), style=style)


_Dumper.add_representer(str, _text)
_Dumper.add_multi_representer(str, _text)
