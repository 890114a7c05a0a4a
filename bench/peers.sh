#!/usr/bin/env bash
# Install the peers that bench/serve.py --peers and bench/watch.py --peers measure, each in an
# environment of its own under .venv-peers, and in one the engines of bench/watch.py --lazy. They are
# not locked: the comparison is with what people get today. Named ones only:
#     bench/peers.sh evidently nannyml whylogs
set -euo pipefail
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}

install() {
  local name=$1
  shift
  rm -rf ".venv-peers/$name"
  "${PEER_PYTHON:-$PYTHON}" -m venv ".venv-peers/$name"
  ".venv-peers/$name/bin/python" -m pip --quiet --disable-pip-version-check install "$@"
}

for peer in "${@:-mlserver litserve bentoml mlflow triton evidently nannyml whylogs river}"; do
  for name in $peer; do
    echo "installing $name"
    case $name in
      # MLServer's worker dies with uvloop 0.23; its plain install lacks httptools.
      mlserver) install mlserver mlserver==1.7.1 'uvloop<0.22' httptools onnxruntime ;;
      litserve) install litserve litserve onnxruntime uvloop httptools ;;
      bentoml) install bentoml bentoml onnxruntime uvloop httptools ;;
      mlflow) install mlflow mlflow onnx onnxruntime uvloop httptools ;;
      # Triton's Python back end is linked against the system's Python 3.11.
      triton) PEER_PYTHON=${TRITON_PYTHON:-/usr/bin/python3.11} install triton nvidia-pytriton onnxruntime 'numpy<2' ;;
      evidently) install evidently evidently 'pandas<3' pyarrow ;;
      nannyml) install nannyml nannyml statsmodels 'pandas<3' pyarrow ;;
      river) install river river==0.26.1 ;;
      # PySpark needs Java besides; msgspec is what the package itself needs to compare.
      lazy) install lazy polars duckdb 'dask[dataframe]' 'ibis-framework[duckdb]' sqlframe pyspark \
        pyarrow msgspec ;;
      whylogs) install whylogs 'whylogs[viz]' 'pandas<3' pyarrow ;;
      *) echo "no peer is called $name" >&2; exit 2 ;;
    esac
  done
done
