"""uvicorn with httptools and uvloop, reading each body and returning constant bytes.

The fastest that a Python server which answers no question reaches here; every other figure is a
share of this one.
"""

import sys

import uvicorn

BODY = b'{"model_name":"m","outputs":[{"name":"p","shape":[1,2],"datatype":"FP32","data":[0,1]}]}'
START = {
    "type": "http.response.start",
    "status": 200,
    "headers": [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(BODY)).encode()),
    ],
}
END = {"type": "http.response.body", "body": BODY}


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    await send(START)
    await send(END)


if __name__ == "__main__":
    uvicorn.run(
        "constant:app", port=int(sys.argv[1]), workers=int(sys.argv[2]), log_level="critical",
        access_log=False, lifespan="off", loop="uvloop", http="httptools", app_dir=sys.path[0],
        server_header=False, date_header=False,
    )  # fmt: skip
