"""What a program with MLflow's scoring client does; runs in that client's own environment."""

import json
import sys

import numpy as np
import pandas as pd
from mlflow.pyfunc.scoring_server.client import ScoringServerClient  # pyright: ignore[reportMissingImports]  # because it is in another environment

given = json.load(sys.stdin)
host, port = given["url"].removeprefix("http://").split(":")
rows = np.array(given["rows"])
frame = pd.DataFrame(rows, columns=given["names"])
client = ScoringServerClient(host, port)
client.wait_server_ready(timeout=120)
# The client knows one address for everything; a server of several models has one per model.
of_model = ScoringServerClient(host, f"{port}/models/{given['model']}")


def words(data):
    """The words of a refusal, or "" when there was none."""
    try:
        of_model.invoke(data)
    except Exception as error:  # noqa: BLE001  # because the client raises nothing more special
        return str(error)
    return ""


reply = of_model.invoke(frame)
report = {
    "version": client.get_version(),
    "frame": reply["predictions"],
    "decisions": reply["decisions"],
    "table": reply.get_predictions().iloc[:, 0].tolist(),
    "array": of_model.invoke(rows)["predictions"],
    "refused": words(frame.iloc[:, :-1]),
}
print(json.dumps(report))
