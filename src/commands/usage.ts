/** What `--help` says of the whole, of `serve`, `supervise` and `chat`; the other commands' texts stand beside them. */

export const USAGE =
  `valley serve [--model FOLDER|ORG/NAME] …   answer over HTTP; pulls and converts what is not there
valley supervise serve …                   the same, started again whenever it breaks off
valley chat …                              talk with a server in the terminal
valley pull ORG/NAME …                     fetch a published model
valley convert SOURCE TARGET …             int4 from safetensors or GGUF
valley models                              what is published, what is on this machine
valley batch IN.jsonl OUT.jsonl …          answer a file of requests, each once
valley doctor …                            what this machine can do, and what is missing

Each takes --help.`;

export const SERVE_USAGE =
  `valley serve [--model FOLDER|ORG/NAME[@REVISION]] [--host H] [--port N] [--engine gpu|fake]
             [--api-keys FILE] [--insecure] [--state FOLDER] [--drain-grace S] [--drain-timeout S]
             [--verify fast|full] …

Serves a model over HTTP (OpenAI's and Anthropic's requests) until SIGTERM or Ctrl-C. Without --model: the demo
model. A hub name that is not on this machine yet is pulled and converted first; cut off, the same command goes on.
README.md, "Configuration", has every flag; each is also a variable: --api-keys is VALLEY_API_KEYS.

Examples:
  valley serve
  valley serve --model bytedance-research/Valley3-8B-Instruct --port 8000
  valley serve --model ~/valley3-8b-int4 --host 0.0.0.0 --api-keys keys.json`;

export const SUPERVISE_USAGE = `valley supervise serve …

Starts \`valley serve …\` as a child, and again when it ends otherwise than with 0, 3 or 64: after 0.2 s at first, at
most 30 s. SIGTERM and Ctrl-C go on to the child. Its flags: valley serve --help.

Example:
  valley supervise serve --model ~/valley3-8b-int4 --host 0.0.0.0 --api-keys keys.json`;

export const CHAT_USAGE = `valley chat [--url URL] [--model NAME] [--effort LEVEL] [--key KEY]

Talks with a running server; in a pipe: one question, one answer.

Examples:
  valley chat
  echo "What is in the picture? examples/shapes.png" | valley chat --effort none`;
