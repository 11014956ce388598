"""The demo checkpoint's config.json, and how modules read it."""
import copy

BASE = {
    "architectures": ["ValleyOmniForConditionalGeneration"],
    "model_type": "valley_omni",
    "text_config": {
        "model_type": "qwen3_vl_text", "vocab_size": 0, "hidden_size": 256, "intermediate_size": 768,
        "num_hidden_layers": 4, "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 128,
        "rms_norm_eps": 1e-06, "hidden_act": "silu", "max_position_embeddings": 4096,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000000.0, "mrope_section": [24, 20, 20],
                            "mrope_interleaved": True},
        "attention_bias": False, "tie_word_embeddings": False,
    },
    "vision_config": {
        "model_type": "qwen3_vl", "depth": 4, "hidden_size": 288, "num_heads": 4, "intermediate_size": 1072,
        "patch_size": 16, "temporal_patch_size": 2, "in_channels": 3, "spatial_merge_size": 2,
        "out_hidden_size": 256, "num_position_embeddings": 64, "deepstack_visual_indexes": [0, 1, 2],
        "hidden_act": "gelu_pytorch_tanh",
    },
    "audio_encoder_type": "qwen3_omni_moe",
    "audio_config": {
        "num_mel_bins": 128, "encoder_layers": 4, "encoder_attention_heads": 4, "encoder_ffn_dim": 1024,
        "d_model": 256, "n_window": 50, "n_window_infer": 800, "conv_chunksize": 500, "downsample_hidden_size": 32,
        "output_dim": 256, "max_source_positions": 1500, "activation_function": "gelu", "scale_embedding": False,
    },
    "sample_rate": 16000, "feature_dim": 128, "connector_hidden_size": 512, "apply_audio_downsample": False,
    "tm_rope_sections": [24, 20, 20], "position_id_per_seconds": 13, "tie_word_embeddings": False,
    "torch_dtype": "bfloat16",
}


def rope_theta(text: dict) -> float:
    """theta, from `rope_parameters` (transformers 5) or beside `rope_scaling` (older)."""
    return text.get("rope_parameters", text)["rope_theta"]


def with_vocabulary(vocab_size: int, ids: dict[str, int]) -> dict:
    """BASE with the vocabulary's size and the special tokens' ids."""
    config = copy.deepcopy(BASE)
    config["text_config"]["vocab_size"] = vocab_size
    config.update(
        audio_token_id=ids["<|audio_pad|>"], audio_start_token_id=ids["<|audio_start|>"],
        audio_end_token_id=ids["<|audio_end|>"], image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"], vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"])
    return config
