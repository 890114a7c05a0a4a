"""Pack a benchmark model as a training script would.

    python pack.py MODEL ONNX-FILE CONTRACT-FILE FOLDER

keeps it in FOLDER/workspace, and prints where the bundle file is.
"""

import sys
from pathlib import Path

import mainstay

sys.path.insert(0, str(Path(__file__).parents[1]))
from models import CLASSES, FEATURES, asked_rows, right_answers

model, onnx, contract, folder = sys.argv[1:]
rows = asked_rows(200)
columns = {name: rows[:, place].astype(float) for place, name in enumerate(FEATURES)}
classes = [CLASSES[int(answer >= 0.5)] for answer in right_answers(Path(onnx), rows)]
packed = mainstay.pack(
    model,
    model=Path(onnx),
    contract=contract,
    confidence=(columns, classes),
    output="probabilities",
    workspace=Path(folder, "workspace"),
    into=folder,
    quiet=True,
    card={"snapshot": "seeded random rows"},
)
print(packed.file)
