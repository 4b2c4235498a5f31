"""Send broken uploads for a while: `python -m benchmarks.fuzz.uploads`.

Ends with 0 when every answer was a promise or a problem document, never a 5xx, and every job came to an end with
counts that add up.
"""

from __future__ import annotations

import argparse
import io
import random
import sys
import zipfile
from collections import Counter
from typing import Any

import cv2
import httpx
import numpy as np

from benchmarks.pictures import Picture, make_zip, png, samples
from benchmarks.service import running_service

DONE_S = 120
TYPES = {
    "zip": "application/zip",
    "png": "image/png",
    "jpg": "image/jpeg",
    "tif": "image/tiff",
    "bmp": "image/bmp",
    "webp": "image/webp",
    "multipart": "multipart/form-data; boundary=b",
    "json": "application/json",
}


def seeds() -> dict[str, bytes]:
    """Return a whole upload of each kind."""
    picture = next(samples()).pixels
    found = {"zip": make_zip(20, None), "png": png(picture)}
    found |= {kind: encoded(picture, kind) for kind in ("jpg", "tif", "bmp", "webp")}
    head = b'--b\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n\r\n'
    found["multipart"] = head + found["png"] + b"\r\n--b--\r\n"
    found["json"] = b'{"images": [{"custom_id": "a", "pixels": [[0, 255], [255, 0]]}], "priority": "low"}'
    return found


def encoded(picture: Picture, kind: str) -> bytes:
    """Encode a picture in a format."""
    done, data = cv2.imencode(f".{kind}", picture)
    assert done
    return data.tobytes()


def broken(data: bytes, chance: random.Random) -> bytes:
    """Flip, cut, double or insert a few bytes."""
    mutable = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        at = chance.randrange(len(mutable)) if mutable else 0
        match chance.randrange(5):
            case 0 if mutable:
                mutable[at] ^= 1 << chance.randrange(8)
            case 1 if mutable:
                mutable[at] = chance.choice((0, 0xFF, 0x7F, 0x80))
            case 2:
                del mutable[at:]
            case 3:
                mutable[at:at] = mutable[at : at + chance.randrange(64)]
            case _:
                mutable[at:at] = chance.randbytes(chance.randrange(16))
    return bytes(mutable)


def in_zip(name: str, data: bytes) -> bytes:
    """Pack a file beside a whole one, which it must not harm."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, data)
        archive.writestr("whole.png", png(np.pad(np.full((12, 4), 255, np.uint8), ((8, 8), (12, 12)))))
    return buffer.getvalue()


def trouble(answer: httpx.Response) -> str | None:
    """Say what is wrong with an answer to a broken upload."""
    if answer.status_code in {200, 202}:
        return None
    if answer.status_code >= 500:
        return f"{answer.status_code}: {answer.text[:200]}"
    if answer.headers.get("content-type") != "application/problem+json" or "code" not in answer.json():
        return f"{answer.status_code} without a problem document"
    return None


def ending(client: httpx.Client, job_id: str) -> str | None:
    """Wait for the end of a job; say what is wrong with it."""
    for _ in range(DONE_S // 30):
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}", params={"wait": 30}).json()
        if job["finished_at"]:
            counts = job["counts"]
            ended = sum(counts[key] for key in ("succeeded", "failed", "skipped", "canceled", "expired"))
            if counts["pending"] or ended != counts["total"]:
                return f"counts do not add up: {counts}"
            return None
    return f"still {job['status']}"


def run(options: argparse.Namespace) -> int:
    """Send, then count; return how much was wrong."""
    chance = random.Random(options.seed)
    whole = seeds()
    wrong, codes, jobs = 0, Counter[str](), dict[str, int]()
    with (
        running_service(1) as service,
        httpx.Client(base_url=service.url, trust_env=False, timeout=60.0) as client,
    ):
        for number in range(options.count):
            kind = chance.choice(list(whole))
            data = broken(whole[kind], chance)
            if kind in {"png", "jpg", "tif", "bmp", "webp"} and chance.random() < 0.5:
                kind, data = "zip", in_zip(f"broken.{kind}", data)
            answer = client.post("/v1/jobs", content=data, headers={"Content-Type": TYPES[kind]})
            codes[str(answer.status_code)] += 1
            found = trouble(answer)
            if found:
                wrong += 1
                print(f"upload {number} ({kind}): {found}", flush=True)
            elif answer.status_code == httpx.codes.ACCEPTED:
                jobs[answer.json()["id"]] = number
        for job_id, number in jobs.items():
            found = ending(client, job_id)
            if found:
                wrong += 1
                print(f"upload {number}, {job_id}: {found}", flush=True)
    print(
        f"{options.count} broken uploads, answers {dict(codes)}, {len(jobs)} jobs: {wrong} wrong", flush=True
    )
    return wrong


def main() -> None:
    """Run; exit with 1 when something was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.fuzz.uploads", description=__doc__)
    parser.add_argument("--count", type=int, default=2000, help="uploads")
    parser.add_argument("--seed", type=int, default=None, help="repeat a run")
    sys.exit(1 if run(parser.parse_args()) else 0)


if __name__ == "__main__":
    main()
