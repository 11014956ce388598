"""The openai client of PyPI against a server on the fake engine: python clients.py URL. Prints a line a step."""

import asyncio
import base64
import json
import sys
import urllib.request

import openai
from pydantic import BaseModel

url = sys.argv[1]
client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
MODEL = "valley3-demo"
FIXTURES = __file__.rsplit("/tools/", 1)[0] + "/tests/fixtures/media"


def say(text):
    return [{"role": "user", "content": text}]


answer = client.chat.completions.create(model=MODEL, messages=say("say 3 words"))
assert answer.choices[0].message.content == "word1 word2 word3", answer
print("chat")

stream = client.chat.completions.create(
    model=MODEL, messages=say("say 20 words"), stream=True, stream_options={"include_usage": True}
)
chunks = list(stream)
text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
assert len(text.split()) == 20 and chunks[-1].usage.completion_tokens == len(text) + 1
print("stream")

tools = [{"type": "function", "function": {"name": "find", "parameters": {"type": "object", "properties": {"q": {"type": "string"}}, "required": ["q"]}}}]
called = client.chat.completions.create(model=MODEL, messages=say('call find {"q": "shoes"}'), tools=tools)
call = called.choices[0].message.tool_calls[0]
assert json.loads(call.function.arguments) == {"q": "shoes"} and called.choices[0].finish_reason == "tool_calls"
back = client.chat.completions.create(
    model=MODEL,
    messages=[*say("find"), called.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": "red shoes"}],
    tools=tools,
)
assert back.choices[0].message.content == "The tool said: red shoes", back
forced = client.chat.completions.create(model=MODEL, messages=say("Go."), tools=tools, tool_choice="required")
assert "q" in json.loads(forced.choices[0].message.tool_calls[0].function.arguments)
print("tools")


class Item(BaseModel):
    name: str
    price: int
    tags: list[str]


parsed = client.chat.completions.parse(model=MODEL, messages=say("Describe it."), response_format=Item)
assert isinstance(parsed.choices[0].message.parsed, Item)
assert isinstance(client.responses.parse(model=MODEL, input="Describe it.", text_format=Item).output_parsed, Item)
print("parse")

assert client.responses.create(model=MODEL, input="say 2 words").output_text == "word1 word2"
with client.responses.stream(model=MODEL, input="say 5 words") as events:
    for _ in events:
        pass
    assert events.get_final_response().output_text == "word1 word2 word3 word4 word5"
print("responses")


async def leave():
    other = openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    task = asyncio.create_task(other.chat.completions.create(model=MODEL, messages=say("forever")))
    await asyncio.sleep(0.3)
    task.cancel()
    stream = await other.chat.completions.create(model=MODEL, messages=say("forever"), stream=True)
    async for _ in stream:
        break
    await stream.close()
    await asyncio.sleep(1.0)
    load = json.load(urllib.request.urlopen(f"{url}/v1/loads"))["loads"][0]
    assert load["num_total_reqs"] == 0, load


asyncio.run(leave())
print("abort")

try:
    client.chat.completions.create(model="other", messages=say("a"))
    raise SystemExit("no error")
except openai.NotFoundError as error:
    assert error.code == "model_not_found"
try:
    client.chat.completions.create(model=MODEL, messages=say("a"), temperature=5)
    raise SystemExit("no error")
except openai.BadRequestError as error:
    assert error.param == "temperature"
print("errors")

video = base64.b64encode(open(f"{FIXTURES}/videos/sound.mp4", "rb").read()).decode()
vllm = client.chat.completions.create(
    model=MODEL,
    messages=[{"role": "user", "content": [
        {"type": "video_url", "video_url": {"url": f"data:video/mp4;base64,{video}"}},
        {"type": "text", "text": "What happens?"},
    ]}],
    extra_body={"mm_processor_kwargs": {"use_audio_in_video": True, "max_frames": 4}, "top_k": -1, "chat_template_kwargs": {"enable_thinking": False}},
)
details = vllm.usage.prompt_tokens_details.model_dump()
assert details["video_tokens"] > 0 and details["audio_tokens"] > 0, details
print("vLLM's script")
