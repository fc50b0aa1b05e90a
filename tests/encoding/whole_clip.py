"""A small CLIP with both halves and a tokenizer of letters."""

import json


def whole_clip(folder):
    """Write it; returns the folder."""
    import torch
    import transformers as tf

    folder.mkdir(exist_ok=True)
    letters = [chr(k) for k in range(ord("!"), ord("~") + 1)]
    tokens = [*letters, *(f"{letter}</w>" for letter in letters)]
    tokens += ["<|startoftext|>", "<|endoftext|>"]
    (folder / "vocab.json").write_text(json.dumps({name: k for k, name in enumerate(tokens)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = tf.CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1}
    sizes |= {"num_attention_heads": 2, "projection_dim": 12}
    text = {**sizes, "vocab_size": len(tokens), "max_position_embeddings": 24}
    text |= {"bos_token_id": len(tokens) - 2, "eos_token_id": len(tokens) - 1}
    text |= {"pad_token_id": len(tokens) - 1}
    vision = {**sizes, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    config = tf.CLIPConfig(text_config=text, vision_config=vision, projection_dim=12)
    tf.CLIPModel(config).save_pretrained(folder)
    return folder
