/**
 * Fields that clients, SDKs and routers send and this server does not act on: with a value that would not change
 * the answer they are accepted, with any other the request is refused.
 */

type Neutral = (value: unknown) => boolean;

const anything: Neutral = () => true;
const only = (...values: unknown[]): Neutral => (value) => value === null || values.includes(value);
const emptyList: Neutral = (value) => value === null || (Array.isArray(value) && value.length === 0);
const emptyObject: Neutral = (value) =>
  value === null || (typeof value === "object" && !Array.isArray(value) && Object.keys(value).length === 0);

export const KNOWN_FIELDS: Readonly<Record<string, Neutral>> = {
  // Labels and hints that never change an answer.
  user: anything,
  metadata: anything,
  safety_identifier: anything,
  prompt_cache_key: anything,
  prompt_cache_retention: anything,
  service_tier: anything,
  store: anything,
  request_id: anything,
  priority: anything,
  // OpenAI's.
  modalities: (value) =>
    value === null || (Array.isArray(value) && value.length === 1 && value[0] === "text"),
  audio: only(),
  prediction: only(),
  verbosity: only("medium"),
  web_search_options: only(),
  functions: emptyList,
  function_call: only("none", "auto"),
  // vLLM's and SGLang's, and what their routers add.
  length_penalty: only(1),
  best_of: only(1),
  use_beam_search: only(false),
  echo: only(false),
  add_generation_prompt: only(true),
  continue_final_message: only(false),
  add_special_tokens: only(false),
  documents: emptyList,
  chat_template: only(),
  skip_special_tokens: only(true),
  spaces_between_special_tokens: anything,
  include_stop_str_in_output: only(false),
  guided_decoding_backend: anything,
  guided_whitespace_pattern: only(),
  truncate_prompt_tokens: only(-1),
  prompt_logprobs: only(0),
  allowed_token_ids: only(),
  bad_words: emptyList,
  logits_processors: emptyList,
  return_tokens_as_token_ids: only(false),
  return_token_ids: only(false),
  vllm_xargs: emptyObject,
  kv_transfer_params: emptyObject,
  media_io_kwargs: emptyObject,
  no_stop_trim: only(false),
  separate_reasoning: only(true),
  stream_reasoning: only(true),
  include_reasoning: only(true),
  return_hidden_states: only(false),
  lora_path: only(),
  // llama.cpp's.
  cache_prompt: anything,
  id_slot: anything,
  timings_per_token: only(false),
  n_predict: only(-1),
  n_probs: only(0),
  grammar: only(""),
  repeat_penalty: only(1),
  typical_p: only(1),
  mirostat: only(0),
  dry_multiplier: only(0),
  xtc_probability: only(0),
  top_n_sigma: only(-1),
  dynatemp_range: only(0),
};
