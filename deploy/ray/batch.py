"""A batch file in OpenAI's format through the router, on one machine or a Ray cluster; killed, it goes on.

    pip install "ray[data]==2.60.0" aiohttp
    python deploy/ray/batch.py --input in/ --output out/ --checkpoint done/ --url http://127.0.0.1:30000

`--input`: a folder of JSONL files of lines {custom_id, method, url, body}; custom_id must be unique.
`--output`: Parquet files with custom_id, status, attempts, response (JSON text). On several machines all three
folders must be shared. Run again with the same folders, it answers only what has no answer yet. Name media by
URL or path in the lines, not as data: URLs: rows are held in blocks in memory. VALLEY_API_KEY: the key, if any.
"""

import argparse
import asyncio
import io
import itertools
import json
import os

import aiohttp
import numpy as np
import pyarrow as pa
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.data.checkpoint import CheckpointConfig
from ray.data.datasource import FileBasedDatasource

# Blocks in flight are redone after a kill: small blocks waste less. A block is one Parquet file.
ROWS_A_BLOCK = 100
TRIES = 6
RETRIED = {408, 429, 500, 502, 503, 504}


class Caller:
    """Posts rows to the router, so many at a time; a row that fails to the end keeps its status and error."""

    def __init__(self, url: str, in_flight: int):
        self.url = url.rstrip("/")
        self.slots = asyncio.Semaphore(in_flight)

    async def __call__(self, batch: dict) -> dict:
        key = os.environ.get("VALLEY_API_KEY")
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=900)) as session:
            rows = zip(batch["url"], batch["body"])
            answers = await asyncio.gather(*(self.ask(session, path, body) for path, body in rows))
        return {
            "custom_id": batch["custom_id"],
            "status": np.array([status for status, _, _ in answers]),
            "attempts": np.array([attempts for _, attempts, _ in answers]),
            "response": np.array([text for _, _, text in answers], dtype=object),
        }

    async def ask(self, session: aiohttp.ClientSession, path: str, body: str) -> tuple[int, int, str]:
        status, text = 0, ""
        for attempt in range(1, TRIES + 1):
            wait = min(0.5 * 2**attempt, 20)
            try:
                async with self.slots, session.post(
                    self.url + path, data=body, headers={"content-type": "application/json"}
                ) as answer:
                    status, text = answer.status, await answer.text()
                    wait = float(answer.headers.get("retry-after", wait))
            except (aiohttp.ClientError, asyncio.TimeoutError) as error:
                status, text = 0, json.dumps({"error": {"message": repr(error), "type": "connection_error"}})
            if status != 0 and status not in RETRIED:
                return status, attempt, text
            if attempt < TRIES:
                await asyncio.sleep(wait)
        return status, TRIES, text


class Lines(FileBasedDatasource):
    """Rows with custom_id, url and body, the body as JSON text: lines of different shapes make one schema. The
    checkpoint is looked up where rows are read, so custom_id must be there from the start."""

    def _read_stream(self, file, path: str):
        lines = (json.loads(text) for text in io.TextIOWrapper(file, encoding="utf-8") if text.strip())
        while some := list(itertools.islice(lines, ROWS_A_BLOCK)):
            yield pa.table(
                {
                    "custom_id": [line["custom_id"] for line in some],
                    "url": [line["url"] for line in some],
                    "body": [json.dumps(line["body"], ensure_ascii=False) for line in some],
                }
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name in ["input", "output", "checkpoint", "url"]:
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--actors", type=int, default=2, help="actors that post")
    parser.add_argument("--in-flight", type=int, default=32, help="requests at a time and actor")
    options = parser.parse_args()
    for name in ["input", "output", "checkpoint"]:  # Ray's workers have another working folder
        value = getattr(options, name)
        setattr(options, name, value if "://" in value else os.path.abspath(value))
    ray.init(ignore_reinit_error=True)
    DataContext.get_current().checkpoint_config = CheckpointConfig(
        id_column="custom_id", checkpoint_path=options.checkpoint, delete_checkpoint_on_success=False
    )
    lines = ray.data.read_datasource(Lines(options.input))
    lines.repartition(target_num_rows_per_block=ROWS_A_BLOCK).map_batches(
        Caller,
        fn_constructor_args=(options.url, options.in_flight),
        batch_size=ROWS_A_BLOCK,
        num_cpus=0,  # they wait for the network; on two cores a share would leave reading none, for ever
        compute=ActorPoolStrategy(size=options.actors, max_concurrent_calls_per_actor=2),
    ).write_parquet(options.output)


if __name__ == "__main__":
    main()
