"""Writes models of random weights, small enough for a test: llama's architecture, 286 tokens.

Run by the Python that has gguf: `python tests/live/tiny_models.py FOLDER`. What they say is
noise, of letters only: every other token has no weight, so that no answer ends by itself.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np

LETTERS = [chr(code) for code in range(ord("a"), ord("z") + 1)]
TOKENS = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *LETTERS]
TYPES = [2, 3, 3, *([6] * 256), *([1] * (1 + len(LETTERS)))]
SHAPES = {"small": (1, 32), "medium": (2, 64), "large": (4, 96)}
"""Layers and width; heads have 16."""
CONTEXT = 4096


def write(path: Path, layers: int, width: int) -> None:
    """Write one model."""
    import gguf  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415 - not a test's own

    chance = np.random.default_rng(layers)
    writer: Any = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(CONTEXT)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(2 * width)
    writer.add_head_count(width // 16)
    writer.add_head_count_kv(width // 16)
    writer.add_rope_dimension_count(16)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_vocab_size(len(TOKENS))
    writer.add_tokenizer_model("llama")
    writer.add_token_list([token.encode() for token in TOKENS])
    writer.add_token_scores([0.0] * len(TOKENS))
    writer.add_token_types(TYPES)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_unk_token_id(0)

    def weights(name: str, rows: int, columns: int, first: int = 0) -> None:
        drawn = chance.standard_normal((rows, columns)).astype(np.float32)
        drawn[:first] = 0.0
        writer.add_tensor(name, drawn * np.float32(0.2))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(width, np.float32))

    weights("token_embd.weight", len(TOKENS), width)
    weights("output.weight", len(TOKENS), width, first=len(TOKENS) - len(LETTERS))
    ones("output_norm.weight")
    for layer in range(layers):
        block = f"blk.{layer}."
        ones(f"{block}attn_norm.weight")
        ones(f"{block}ffn_norm.weight")
        for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
            weights(f"{block}{part}.weight", width, width)
        weights(f"{block}ffn_gate.weight", 2 * width, width)
        weights(f"{block}ffn_up.weight", 2 * width, width)
        weights(f"{block}ffn_down.weight", width, 2 * width)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    for name, (layers, width) in SHAPES.items():
        write(Path(sys.argv[1]) / f"{name}.gguf", layers, width)
