"""Turn the Azure LLM inference trace of 2023 into request lines.

    python -m tests.convert.azure azure_llm_conv.csv > local_20231116.jsonl

The trace (Azure Public Dataset, CC-BY) has a time and token counts per request, and no caller,
model or outcome: those are made up here, the same for all, and no request fails.
"""

import csv
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path


def request_lines(rows: Iterable[dict[str, str]], caller: str) -> Iterator[str]:
    """Yield a JSON line per row of the trace; times carry seven digits and are UTC."""
    for row in rows:
        yield json.dumps(
            {
                "timestamp": row["TIMESTAMP"].replace(" ", "T")[:26] + "+00:00",
                "model": "azure-llm",
                "caller": caller,
                "prompt_tokens": int(row["ContextTokens"]),
                "response_tokens": int(row["GeneratedTokens"]),
                "success": True,
            },
            separators=(",", ":"),
        )


def main(path: str) -> None:
    """Print the lines of the trace at `path`."""
    with Path(path).open(newline="") as file:
        for line in request_lines(csv.DictReader(file), Path(path).stem):
            sys.stdout.write(line + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
